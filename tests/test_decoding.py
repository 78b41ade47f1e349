"""Decoding image files: every format and bit depth becomes upright RGB, and damaged bytes raise one kind of error."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngImageFile

from classicvision.decoding import decode_image
from classicvision.errors import ImageReadError

# Two rows and three columns of distinct pixels: every rotation and flip changes it.
SMALL = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 10
SMOOTH = np.stack(np.meshgrid(np.arange(40), np.arange(60)), axis=2)[:, :, [0, 1, 1]].astype(np.uint8) * 4


def encode(image: PillowImage.Image | np.ndarray, file_format: str, **options) -> bytes:
    file = io.BytesIO()
    if isinstance(image, np.ndarray):
        image = PillowImage.fromarray(image)
    image.save(file, file_format, **options)
    return file.getvalue()


def encode_tiff(values: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def exif(orientation: int) -> PillowImage.Exif:
    tags = PillowImage.Exif()
    tags[0x0112] = orientation
    return tags


def encode_png_header(width: int, height: int) -> bytes:
    """A PNG file that ends after its header: it has a size and no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT"
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


FILES = {
    "jpeg": encode(SMOOTH, "JPEG"),
    "progressive jpeg": encode(SMOOTH, "JPEG", progressive=True),
    "cmyk jpeg": encode(PillowImage.fromarray(SMOOTH).convert("CMYK"), "JPEG"),
    "png": encode(SMOOTH, "PNG"),
    "gif": encode(SMOOTH, "GIF"),
    "webp": encode(SMOOTH, "WEBP"),
    "lossless webp": encode(SMOOTH, "WEBP", lossless=True),
    "tiff": encode(SMOOTH, "TIFF"),
    "deflated tiff": encode(SMOOTH, "TIFF", compression="tiff_adobe_deflate"),
    "float64 tiff": encode_tiff(SMOOTH[:, :, 0] / 255.0),
    "float rgb tiff": encode_tiff(SMOOTH.astype(np.float32) / 255, photometric="rgb", compression="zlib"),
    "bmp": encode(SMOOTH, "BMP"),
    "dib": encode(SMOOTH, "DIB"),
    "ppm": encode(SMOOTH, "PPM"),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_format_is_read(kind):
    image = decode_image(FILES[kind], kind)
    expected = SMOOTH[:, :, :1] if kind == "float64 tiff" else SMOOTH
    assert image.shape == SMOOTH.shape
    assert image.dtype == np.uint8
    # Lossy codecs, the conversion to CMYK and a palette of 256 colours change levels a little.
    assert np.abs(image.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("share", [0.02, 0.5, 0.8])
@pytest.mark.parametrize("kind", FILES)
def test_a_truncated_file_is_an_error(kind, share):
    data = FILES[kind]
    with pytest.raises(ImageReadError, match=r"damaged|not a supported image"):
        decode_image(data[: max(1, int(len(data) * share))], kind)


@settings(max_examples=300, deadline=2000)
@given(
    kind=st.sampled_from(sorted(FILES)),
    flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
)
def test_changed_bytes_give_an_image_or_an_image_error(kind, flips):
    data = bytearray(FILES[kind])
    for place, value in flips:
        data[place % len(data)] = value
    try:
        image = decode_image(bytes(data), kind)
    except ImageReadError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3


@given(st.binary(max_size=64))
def test_arbitrary_bytes_are_an_image_error(data):
    with pytest.raises(ImageReadError):
        decode_image(data, "noise")


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, SMALL),
        (2, SMALL[:, ::-1]),
        (3, SMALL[::-1, ::-1]),
        (4, SMALL[::-1]),
        (5, SMALL.swapaxes(0, 1)),
        (6, np.rot90(SMALL, 1)),
        (7, SMALL[::-1, ::-1].swapaxes(0, 1)),
        (8, np.rot90(SMALL, -1)),
    ],
)
def test_each_exif_orientation_is_brought_upright_once(orientation, stored, file_format):
    data = encode(np.ascontiguousarray(stored), file_format, exif=exif(orientation))
    assert_array_equal(decode_image(data, "rotated"), SMALL)


def test_a_float_tiff_is_brought_upright_too():
    stored = np.rot90(SMALL, 1) / 255.0
    data = encode_tiff(stored, photometric="rgb", extratags=[(0x0112, "H", 1, 6, True)])
    assert_array_equal(decode_image(data, "rotated"), SMALL)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_upright(orientation):
    assert_array_equal(decode_image(encode(SMALL, "PNG", exif=exif(orientation)), "odd"), SMALL)


def test_an_orientation_that_is_not_a_number_is_upright():
    # One entry: tag 0x0112, type 2 (text), two characters.
    tags = b"Exif\0\0MM\0*" + struct.pack(">IHHHI4sI", 8, 1, 0x0112, 2, 2, b"x\0", 0)
    assert_array_equal(decode_image(encode(SMALL, "PNG", exif=tags), "odd"), SMALL)


def test_an_image_with_damaged_exif_is_decoded():
    data = encode(SMOOTH, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert decode_image(data, "exif").shape == SMOOTH.shape


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_half_transparent_black_on_white_is_middle_grey(mode):
    channels = (0, 0, 0, 128) if mode == "RGBA" else (0, 128)
    data = encode(PillowImage.new(mode, (1, 1), channels), "PNG")
    assert_array_equal(decode_image(data, "alpha"), np.full((1, 1, 3), 127))


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
def test_a_transparent_palette_entry_is_white(transparency):
    image = PillowImage.frombytes("P", (2, 1), b"\0\1")
    image.putpalette([255, 0, 0, 0, 0, 255])
    data = encode(image, "PNG", transparency=transparency)
    assert_array_equal(decode_image(data, "palette"), [[[255, 0, 0], [255, 255, 255]]])


def test_a_transparent_colour_key_is_white():
    data = encode(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8), "PNG", transparency=(4, 5, 6))
    assert_array_equal(decode_image(data, "key"), [[[1, 2, 3], [255, 255, 255]]])


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PGM"])
def test_sixteen_bits_of_grey_are_scaled_to_eight(file_format):
    deep = (np.array([[0, 1, 128, 255]], np.uint16) * 257).astype(np.uint16)
    data = b"P5 4 1 65535\n" + deep.astype(">u2").tobytes() if file_format == "PGM" else encode(deep, file_format)
    assert_array_equal(decode_image(data, "deep")[0, :, 0], [0, 1, 128, 255])


def test_sixteen_bits_of_colour_are_scaled_to_eight():
    data = encode_tiff(SMALL.astype(np.uint16) * 257, photometric="rgb")
    assert_array_equal(decode_image(data, "deep"), SMALL)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_within_zero_and_one_are_shares_of_white(dtype):
    data = encode_tiff(np.array([[0.25, 0.5, 0.75]], dtype))
    assert_array_equal(decode_image(data, "float")[0, :, 0], [64, 128, 191])  # times 255, rounded


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_values_without_a_defined_white_are_stretched(dtype):
    data = encode_tiff(np.array([[-1000, 0, 1000]], dtype))
    assert_array_equal(decode_image(data, "range")[0, :, 0], [0, 128, 255])


def test_not_a_number_is_black_and_infinities_are_the_ends_of_the_range():
    data = encode_tiff(np.array([[np.nan, -np.inf, 2.0, 6.0, 10.0, np.inf]], np.float32))
    assert_array_equal(decode_image(data, "holes")[0, :, 0], [0, 0, 0, 128, 255, 255])


@pytest.mark.parametrize("value", [0.0, -5.0, np.nan, -np.inf])
def test_an_image_of_a_single_odd_value_is_black(value):
    assert_array_equal(decode_image(encode_tiff(np.full((2, 2), value)), "odd"), np.zeros((2, 2, 3)))


@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_float_colours_may_be_interleaved_or_planar(layout):
    values = SMALL / 255.0
    stored = values if layout == "contig" else np.moveaxis(values, 2, 0)
    assert_array_equal(decode_image(encode_tiff(stored, photometric="rgb", planarconfig=layout), "rgb"), SMALL)


def test_alpha_of_a_float_tiff_is_composited_on_white():
    values = np.array([[[1, 0, 0, 1.0], [0, 0, 0, 0.0]]])
    data = encode_tiff(values, photometric="rgb", extrasamples=["unassalpha"])
    assert_array_equal(decode_image(data, "rgba"), [[[255, 0, 0], [255, 255, 255]]])


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (np.zeros((4, 4, 5), np.uint8), {"photometric": "minisblack", "planarconfig": "contig"}),
        (np.zeros((2, 4, 4)), {"photometric": "minisblack", "volumetric": True}),
    ],
)
def test_a_tiff_that_is_neither_grey_nor_rgb_is_refused(values, options):
    with pytest.raises(ImageReadError, match="save it as grey, RGB or RGBA"):
        decode_image(encode_tiff(values, **options), "strange")


@pytest.mark.parametrize(("mode", "level"), [("1", 255), ("L", 200), ("CMYK", 255)])
def test_grey_and_print_colours_become_rgb(mode, level):
    image = PillowImage.new("RGB", (3, 2), (level, level, level)).convert(mode)
    assert_array_equal(decode_image(encode(image, "TIFF"), mode), np.full((2, 3, 3), level))


@pytest.mark.parametrize("file_format", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_of_several_images_is_read(file_format):
    first, second = (PillowImage.new("RGB", (4, 4), colour) for colour in ("white", "black"))
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encode(first, file_format, save_all=True, append_images=[second], **options)
    assert_array_equal(decode_image(data, "two"), np.full((4, 4, 3), 255))


def test_too_many_pixels_are_refused_before_any_is_decoded():
    with pytest.raises(ImageReadError, match=r"60000 x 60000 = 3,600,000,000 pixels; the limit is 178,956,970"):
        decode_image(encode_png_header(60_000, 60_000), "bomb")


def test_the_limit_holds_for_float_tiff():
    with pytest.raises(ImageReadError, match=r"4 x 3 = 12 pixels; the limit is 11"):
        decode_image(encode_tiff(np.zeros((3, 4))), "deep", max_pixels=11)


def test_pillows_process_wide_limit_does_not_apply(monkeypatch):
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 1)
    assert_array_equal(decode_image(encode(SMALL, "PNG"), "small"), SMALL)


def test_a_refusal_by_pillow_itself_is_an_image_error(monkeypatch):
    def refuse(_image):
        raise PillowImage.DecompressionBombError("too many")

    monkeypatch.setattr(PngImageFile, "load", refuse)
    with pytest.raises(ImageReadError, match="Pillow refuses it as too large"):
        decode_image(encode(SMALL, "PNG"), "small")


def test_a_float_tiff_with_an_unsupported_compression_says_what_to_do():
    # Compression 5 is LZW; the number is changed in the file's directory (tag 259, type 3, one value).
    data = encode_tiff(np.zeros((4, 4))).replace(struct.pack("<HHIH", 259, 3, 1, 1), struct.pack("<HHIH", 259, 3, 1, 5))
    with pytest.raises(ImageReadError, match="save it uncompressed"):
        decode_image(data, "lzw")


@pytest.mark.parametrize("n_bytes", [100, 200, 300])
def test_a_damaged_tiff_logs_and_prints_nothing_besides_its_error(caplog, capsys, n_bytes):
    data = encode_tiff(np.zeros((4, 4)))
    with pytest.raises(ImageReadError):
        decode_image(data[:n_bytes], "cut")
    assert caplog.records == []
    assert capsys.readouterr() == ("", "")


def test_an_unknown_format_is_reported_with_its_first_bytes():
    with pytest.raises(ImageReadError, match="begins with the bytes 00 00 00 1c 66 74 79 70"):
        decode_image(b"\0\0\0\x1cftypheic" + b"\0" * 32, "a.heic")
