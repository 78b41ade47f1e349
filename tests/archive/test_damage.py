"""Archives that were damaged, altered or forged: only ArchiveError, in bounded memory."""

import hashlib
import io
import json
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from classicvision.archive import read_archive, write_archive
from classicvision.archive.arrays import ArraySpec
from classicvision.archive.layout import lay_out, pieces
from classicvision.errors import ArchiveError, UnsafeArchiveError, UnsupportedVersionError

WORDS = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("damage") / "toy.cvmodel"


@pytest.fixture(scope="module")
def intact(path):
    write_archive(path, {"kind": "toy", "n": 2}, {"words": WORDS})
    return path.read_bytes()


def refused(path, data, error=ArchiveError):
    path.write_bytes(data)
    with pytest.raises(error, match=r"toy\.cvmodel: ") as caught:
        read_archive(path)
    return str(caught.value)


def test_any_flipped_byte_is_detected(path, intact):
    for place in range(len(intact)):
        flipped = intact[place] ^ 1 << place % 8
        refused(path, intact[:place] + bytes([flipped]) + intact[place + 1 :])


@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_byte_that_became_another_is_detected(path, intact, place, flip):
    at = int(place * len(intact))
    refused(path, intact[:at] + bytes([intact[at] ^ flip]) + intact[at + 1 :])


def test_a_file_truncated_anywhere_is_detected(path, intact):
    for length in range(len(intact)):
        refused(path, intact[:length])


@given(place=st.floats(0, 1), extra=st.binary(min_size=1, max_size=80))
def test_bytes_inserted_anywhere_are_detected(path, intact, place, extra):
    at = round(place * len(intact))
    refused(path, intact[:at] + extra + intact[at:])


@given(place=st.floats(0, 1), n=st.integers(1, 80))
def test_deleted_bytes_are_detected(path, intact, place, n):
    at = round(place * (len(intact) - n))
    refused(path, intact[:at] + intact[at + n :])


@given(st.binary(max_size=200))
def test_other_bytes_are_not_an_archive(path, data):
    refused(path, data)


def repacked(intact, change=lambda info: None, compression=zipfile.ZIP_STORED, comment=b""):
    """Return the same members written by another zip tool."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(intact)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for info in old.infolist():
            data = old.read(info)
            change(info)
            info.compress_type = compression
            new.writestr(info, data)
        new.comment = comment
    return buffer.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {"compression": zipfile.ZIP_DEFLATED},
        {"comment": b"mine"},
        {"change": lambda info: setattr(info, "date_time", (2020, 2, 2, 2, 2, 2))},
        {"change": lambda info: setattr(info, "filename", info.filename.replace("words", "../../words"))},
        {"change": lambda info: setattr(info, "filename", "manifest.json")},
        {"change": lambda info: setattr(info, "extra", b"\x99\x99\x00\x00")},
    ],
    ids=["compressed", "comment", "date", "climbing name", "one name thrice", "extra field"],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_members_packed_by_another_tool_are_refused(path, intact, options):
    refused(path, repacked(intact, **options))


def entry(array, **changes):
    sha256 = hashlib.sha256(array.tobytes()).hexdigest()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "sha256": sha256, **changes}


def forged(array=WORDS, text=None, **manifest):
    """Return an archive with valid zip records and any manifest."""
    own = {"format": "classicvision archive", "format_version": 1, "arrays": {"words": entry(array)}}
    if text is None:
        text = json.dumps(own | manifest, sort_keys=True, indent=1) + "\n"
    members = lay_out(text.encode(), [ArraySpec("words", array.dtype, array.shape)])
    return b"".join(bytes(piece) for piece in pieces(members, [memoryview(array.tobytes())]))


def test_the_forged_archives_of_these_tests_can_be_valid(path):
    path.write_bytes(forged())
    assert_array_equal(read_archive(path).arrays["words"], WORDS)


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [2**40]},
        {"shape": [2**61, 8]},  # 2**67 bytes, which is 0 in 64 bits
        {"shape": [2, 4]},
        {"shape": [-2, -3]},
        {"shape": [True, 6]},
        {"shape": None},
        {"dtype": "|O"},
        {"dtype": "<f4,<f4"},
        {"dtype": None},
    ],
)
def test_a_false_manifest_entry_is_refused_in_small_memory(path, changes):
    data = forged(arrays={"words": entry(WORDS, **changes)})
    tracemalloc.start()
    try:
        refused(path, data, UnsafeArchiveError)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # bytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "arrays",
    [{"words": entry(WORDS, sha256="0" * 64)}, {"words": entry(WORDS, shape=[3, 2])}, {"words": entry(WORDS, note="")}],
    ids=["sum", "transposed", "more than is written"],
)
def test_an_entry_that_does_not_fit_its_array_is_refused(path, arrays):
    refused(path, forged(arrays=arrays))


@pytest.mark.parametrize("arrays", [None, [], {}, {"words": 1}, {"../words": entry(WORDS)}, {"other": entry(WORDS)}])
def test_a_list_of_arrays_that_differs_from_the_members_is_refused(path, arrays):
    refused(path, forged(arrays=arrays))


@pytest.mark.parametrize("version", [0, -1, True, 1.0, "1", None])
def test_a_format_version_that_never_existed_is_refused(path, version):
    refused(path, forged(format_version=version))


def test_a_later_format_version_is_an_error_with_the_remedy(path):
    message = refused(path, forged(format_version=7, arrays="elsewhere"), UnsupportedVersionError)
    assert "format version 7; this release reads up to 1. Upgrade classicvision." in message


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000, '{"a": ' * 5000, '{"format": "other"}'])
def test_a_manifest_that_is_not_ours_is_refused(path, text):
    refused(path, forged(text=text))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace('"format_version": 1', '"format_version": 1,\n "format_version": 1'),
        lambda text: text.replace('"format_version": 1', '"cost": NaN,\n "format_version": 1'),
        lambda text: text.replace("words", "w\\u006frds"),
    ],
    ids=["spaces", "key twice", "nan", "escape"],
)
def test_a_manifest_that_is_not_canonical_is_refused(path, change):
    text = json.dumps(
        {"format": "classicvision archive", "format_version": 1, "arrays": {"words": entry(WORDS)}},
        sort_keys=True,
        indent=1,
    )
    refused(path, forged(text=change(text + "\n")))


def peak_of_refusing(path, data):
    path.write_bytes(data)
    del data
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError):
            read_archive(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_is_refused_in_small_memory(path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in ("manifest.json", "arrays/words.npy"):
            bomb.writestr(name, bytes(50_000_000))
    assert len(buffer.getvalue()) < 200_000
    assert peak_of_refusing(path, buffer.getvalue()) < 1_000_000


def test_a_manifest_that_claims_to_be_huge_is_refused_in_small_memory(path, intact):
    huge = (2**32 - 2).to_bytes(4, "little")  # sizes are at bytes 18 and 22 of a local record
    assert peak_of_refusing(path, intact[:18] + huge + huge + intact[26:]) < 1_000_000


def test_a_file_over_the_limit_is_refused_unread(path, intact):
    path.write_bytes(intact)
    read_archive(path, max_bytes=len(intact))
    with pytest.raises(UnsafeArchiveError, match=f"the limit is {len(intact) - 1:,}"):
        read_archive(path, max_bytes=len(intact) - 1)


def test_a_sparse_file_of_a_terabyte_is_refused_in_small_memory(path, intact):
    path.write_bytes(intact)
    os.truncate(path, 2**40)
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeArchiveError):
            read_archive(path, max_bytes=2**50)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
        path.unlink()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"just text\n" * 50,
        b"\xff\xd8\xff\xe0" + bytes(100),
        b"\x80\x04\x95" + bytes(100),
        b"PK\x05\x06" + bytes(18),
    ],
    ids=["empty", "text", "jpeg", "pickle", "empty zip"],
)
def test_other_files_are_refused_with_a_remedy(path, data):
    assert "not a classicvision archive; pass a file written by `classicvision fit`" in refused(path, data)


def test_a_folder_or_a_pipe_is_not_an_archive(tmp_path):
    with pytest.raises(ArchiveError, match="a folder or a device"):
        read_archive(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchiveError, match="a folder or a device"):
        read_archive(tmp_path / "pipe")


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_archive(tmp_path / "none.cvmodel")
