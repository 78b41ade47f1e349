"""The compiled SIFT, against the reference and at the edges of its input."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data

from classicvision import _native
from classicvision._native import kernels
from classicvision.features.descriptor import describe_keypoints
from classicvision.features.extrema import find_extrema
from classicvision.features.local import LocalFeatures
from classicvision.features.orientation import assign_orientations
from classicvision.features.scalespace import ScaleSpace
from classicvision.features.sift import Sift
from classicvision.images import to_gray

pytestmark = pytest.mark.skipif(not _native.native_available(), reason="installed without compiled kernels")

NATIVE, REFERENCE = Sift(engine="native"), Sift(engine="reference")
FAST = Sift(engine="native", precision="fast")
both_precisions = pytest.mark.parametrize("sift", [NATIVE, FAST], ids=lambda sift: sift.precision)
COLUMNS = ["xy", "scale", "angle", "response", "descriptors"]

# What float32 may make of the reference's float64 sums; and one instruction set of another's order of the same sums.
PIXELS, RADIANS, SHARE = 0.01, 0.01, 1e-3


def frames(features):
    return np.column_stack([features.xy, np.log(features.scale), features.angle]).astype(float)


def share_found(a, b):
    """Return the share of a's keypoints that b has too, up to rounding, and the rows of those pairs."""
    gap = np.abs(frames(a)[:, None] - frames(b)[None])
    gap[..., 3] = np.minimum(gap[..., 3], 2 * np.pi - gap[..., 3])
    is_same = np.all(gap < (PIXELS, PIXELS, SHARE, RADIANS), axis=2)
    rows = np.flatnonzero(is_same.any(axis=1))
    return len(rows) / max(len(a), 1), rows, is_same[rows].argmax(axis=1)


def cosines(a, b):
    a, b = a.astype(float), b.astype(float)
    return np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def unpacked(data, size):
    """Return the features that a process wrote as the bytes of all frames, then of all descriptors."""
    n = len(data) // (5 * 4 + 128)
    frames = np.frombuffer(data, np.float32, 5 * n).reshape(n, 5)
    descriptors = np.frombuffer(data, np.uint8, offset=5 * 4 * n).reshape(n, 128)
    return LocalFeatures(frames[:, :2], *frames.T[2:], descriptors, size)


def crop(name, size=200):
    image = getattr(data, name)()
    return image[100 : 100 + size, 60 : 60 + size + 37]


CHANGES = [
    {},
    {"n_layers": 1},
    {"n_layers": 5},
    {"sigma": 0.9},
    {"sigma": 3.3},
    {"contrast": 0.005},
    {"edge_ratio": 3.0},
    {"upsample": False},
]


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee", "gravel"])
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_keypoints_are_the_references_up_to_rounding(name, change):
    image = crop(name)
    ours, theirs = replace(NATIVE, **change)(image), replace(REFERENCE, **change)(image)
    assert len(theirs) > 0
    _, ours_rows, theirs_rows = share_found(ours, theirs)
    few = 1 + len(theirs) // 300  # that sit on a threshold
    assert len(ours) - len(ours_rows) <= few
    assert len(theirs) - len(share_found(theirs, ours)[1]) <= few
    assert len(np.unique(frames(ours), axis=0)) == len(ours)
    assert cosines(ours.descriptors[ours_rows], theirs.descriptors[theirs_rows]).mean() > 0.999
    assert_allclose(ours.response[ours_rows], theirs.response[theirs_rows], atol=1e-5)


# --- the fast precision, stated in NumPy

UNIT = 128 * 255  # of a level: (grey of 256 - 127.5) * 128


def whole_taps(sigma):
    """Return a Gaussian cut off at 3 sigma, widened to keep its variance, in whole numbers of the sum 2^14."""
    radius = int(np.ceil(3 * sigma))
    place, wide = np.arange(-radius, radius + 1), sigma
    for _ in range(8 if sigma >= 0.8 else 0):
        taps = np.exp(-0.5 * (place / wide) ** 2)
        wide *= sigma / np.sqrt(np.sum(place**2 * taps) / taps.sum())
    taps = np.exp(-0.5 * (place / wide) ** 2)
    taps = np.rint(2**14 * taps / taps.sum()).astype(np.int64)
    taps[radius] += 2**14 - taps.sum()  # the middle one takes what is left
    return taps


def whole_blur(level, sigma):
    """Blur integers: down, then along, each rounded once, halves up; mirrored at the border."""
    for axis in (0, 1):
        taps = whole_taps(sigma)
        padded = np.pad(level, [(len(taps) // 2,) * 2 if axis == i else (0, 0) for i in (0, 1)], mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(taps), axis)
        level = (windows @ taps + 2**13) >> 14
    return level


def whole_double(gray):
    """Put a sample half-way to the next pixel, in 128ths of a grey level: (H, W) to (2 H, 2 W), exact."""
    padded = np.pad(gray.astype(np.int64), ((0, 1), (0, 1)), mode="edge")
    doubled = np.repeat(np.repeat(128 * padded, 2, axis=0), 2, axis=1)
    doubled[1:-1:2] = (doubled[:-2:2] + doubled[2::2]) // 2
    doubled[:, 1:-1:2] = (doubled[:, :-2:2] + doubled[:, 2::2]) // 2
    return doubled[:-2, :-2]


def whole_space(gray, sift):
    """Build the scale space in whole numbers: what the fast precision computes."""
    level, camera = (whole_double(gray), 1.0) if sift.upsample else (128 * gray.astype(np.int64), 0.5)
    level = whole_blur(level - UNIT // 2, max(sift.sigma**2 - camera**2, 0.01) ** 0.5)
    octaves = []
    for _ in range(round(np.log2(min(gray.shape) * (1 + sift.upsample)) - 2) + sift.upsample):
        levels = [level]
        for i in range(1, sift.n_layers + 3):
            before, after = (sift.sigma * 2 ** (layer / sift.n_layers) for layer in (i - 1, i))
            levels.append(whole_blur(levels[-1], (after**2 - before**2) ** 0.5))
        octaves.append(np.array(levels))
        height, width = level.shape
        level = levels[sift.n_layers][: height // 2 * 2 : 2, : width // 2 * 2 : 2]
    gaussians = tuple((octave / UNIT).astype(np.float32) for octave in octaves)
    differences = tuple((np.diff(octave, axis=0) / UNIT).astype(np.float32) for octave in octaves)
    return ScaleSpace(gaussians, differences, sift.sigma, sift.n_layers, sift.upsample)


def by_whole_numbers(gray, sift):
    """Find keypoints by the reference's steps on the whole scale space."""
    space = whole_space(gray, sift)
    blobs = find_extrema(space, contrast=sift.contrast, edge_ratio=sift.edge_ratio).kept
    rows, angle = assign_orientations(space, blobs)
    blobs = blobs[rows]
    return LocalFeatures(
        blobs.xy,
        blobs.scale,
        angle.astype("f4"),
        np.abs(blobs.value),
        describe_keypoints(space, blobs, angle),
        gray.shape,
    )


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_fast_keypoints_are_those_of_whole_numbers(name, change):
    gray, sift = to_gray(crop(name)), replace(FAST, **change)
    ours, theirs = sift(gray), by_whole_numbers(gray, sift)
    assert len(theirs) > 0
    _, ours_rows, theirs_rows = share_found(ours, theirs)
    few = 1 + len(theirs) // 300  # that sit on a threshold
    assert len(ours) - len(ours_rows) <= few
    assert len(theirs) - len(share_found(theirs, ours)[1]) <= few
    assert cosines(ours.descriptors[ours_rows], theirs.descriptors[theirs_rows]).mean() > 0.999
    assert_allclose(ours.response[ours_rows], theirs.response[theirs_rows], atol=1e-6)


def test_19_of_20_fast_keypoints_are_exact_ones_and_the_other_way_round():
    shares = []
    for name in ("astronaut", "camera", "coffee", "gravel"):
        exact, fast = NATIVE(crop(name)), FAST(crop(name))
        gap = np.linalg.norm(exact.xy[:, None] - fast.xy[None], axis=2)
        shares += [(gap.min(axis=1) < 0.25), (gap.min(axis=0) < 0.25)]
    assert np.concatenate(shares[::2]).mean() > 0.95
    assert np.concatenate(shares[1::2]).mean() > 0.95


def test_a_narrow_strip_has_the_references_keypoints():
    strip = np.ascontiguousarray(crop("gravel", 400)[:, 200:217])
    ours, theirs = NATIVE(strip), REFERENCE(strip)
    assert len(theirs) > 50
    assert share_found(theirs, ours)[0] == 1


@both_precisions
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (11, 11), (33, 17), (16384, 64), (64, 16384)]
)
def test_noise_of_any_size_gives_keypoints_in_the_image(shape, sift):
    features = sift(np.random.default_rng(3).integers(0, 256, shape, np.uint8))
    assert features.image_size == shape
    assert np.all((features.xy >= 0) & (features.xy <= (shape[1] - 1, shape[0] - 1)))


@both_precisions
@pytest.mark.parametrize("name", ["portable", "v3", "v4"])
def test_every_instruction_set_finds_the_same_keypoints_up_to_rounding(name, sift, checkout):
    gray = to_gray(crop("coffee"))
    code = (
        f"import sys, numpy as np\nfrom classicvision._native.sift import find_sift\n"
        f"gray = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape({gray.shape})\n"
        "settings = dict(n_layers=3, sigma=1.6, contrast=0.04, edge_ratio=10.0, upsample=True)\n"
        f"found = find_sift(gray, **settings, fast={sift.precision == 'fast'})\n"
        "sys.stdout.buffer.write(b''.join(column.tobytes() for column in found))"
    )
    environment = os.environ | {"CLASSICVISION_ISA": name, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, "-c", code], input=gray.tobytes(), env=environment, capture_output=True, check=False
    )
    if b"SettingsError" in done.stderr:
        pytest.skip(f"this CPU has no {name}")
    here, there = sift(gray), unpacked(done.stdout, gray.shape)
    found, rows, partners = share_found(here, there)
    least = 1 if sift is FAST else 0.995  # whole numbers are the same everywhere, and so are their extrema
    assert found >= least
    assert share_found(there, here)[0] >= least
    if sift is FAST:
        assert_array_equal(here.xy[rows], there.xy[partners])
    assert cosines(here.descriptors[rows], there.descriptors[partners]).min() > 0.9999


@both_precisions
def test_threads_give_identical_bits(sift):
    images = [crop(name) for name in ("astronaut", "camera", "coffee", "gravel")] * 3
    alone = [sift(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(sift, images))
    for a, b in zip(alone, together, strict=True):
        for name in COLUMNS:
            assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_mirrored_image_has_mirrored_keypoints_in_its_first_octave():
    gray = to_gray(crop("astronaut"))
    upright, mirrored = NATIVE(gray), NATIVE(np.flipud(gray))
    fine = upright[upright.scale < 1.5]
    flipped = replace(
        fine, xy=np.column_stack([fine.xy[:, 0], len(gray) - 1 - fine.xy[:, 1]]), angle=(-fine.angle) % (2 * np.pi)
    )
    inside = (flipped.xy.min(axis=1) > 12) & (flipped.xy[:, 1] < len(gray) - 13)
    assert inside.sum() > 50
    assert share_found(flipped[inside], mirrored)[0] > 0.97


@pytest.mark.parametrize(
    ("gray", "reason"),
    [
        (np.zeros((4, 4), np.float32), "format 'f'"),
        (np.zeros((4, 4), np.int8), "format 'b'"),
        (np.zeros(4, np.uint8), "1 dimensions"),
        (np.zeros((0, 4), np.uint8), "from 1 to"),
    ],
)
def test_the_kernel_refuses_an_array_of_another_kind(gray, reason):
    with pytest.raises(ValueError, match=reason):
        kernels.find_sift(gray, 3, 1.6, 0.04, 10.0, True, False)


def test_the_kernel_refuses_an_array_that_is_not_contiguous():
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        kernels.find_sift(np.zeros((8, 8), np.uint8)[:, ::2], 3, 1.6, 0.04, 10.0, True, False)


@pytest.mark.parametrize(
    "settings",
    [
        (0, 1.6, 0.04, 10.0, True, False),
        (61, 1.6, 0.04, 10.0, True, False),
        (3, float("nan"), 0.04, 10.0, True, False),
        (3, 1e6, 0.04, 10.0, True, False),
        (3, 1.6, -1.0, 10.0, True, False),
        (3, 1.6, 0.04, float("inf"), True, False),
    ],
)
def test_the_kernel_refuses_settings_out_of_range(settings):
    with pytest.raises(ValueError, match="out of its range"):
        kernels.find_sift(np.zeros((8, 8), np.uint8), *settings)
