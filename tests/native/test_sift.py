"""The compiled SIFT, beside the reference and at the edges of its input."""

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
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.images import to_gray

pytestmark = pytest.mark.skipif(not _native.native_available(), reason="installed without compiled kernels")

NATIVE, REFERENCE = Sift(engine="native"), Sift(engine="reference")
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


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee", "gravel"])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"n_layers": 1},
        {"n_layers": 5},
        {"sigma": 0.9},
        {"sigma": 3.3},
        {"contrast": 0.005},
        {"edge_ratio": 3.0},
        {"upsample": False},
    ],
    ids=str,
)
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


def test_a_narrow_strip_has_the_references_keypoints():
    strip = np.ascontiguousarray(crop("gravel", 400)[:, 200:217])
    ours, theirs = NATIVE(strip), REFERENCE(strip)
    assert len(theirs) > 50
    assert share_found(theirs, ours)[0] == 1


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (11, 11), (33, 17), (16384, 64), (64, 16384)]
)
def test_noise_of_any_size_gives_keypoints_in_the_picture(shape):
    features = NATIVE(np.random.default_rng(3).integers(0, 256, shape, np.uint8))
    assert features.image_size == shape
    assert np.all((features.xy >= 0) & (features.xy <= (shape[1] - 1, shape[0] - 1)))


@pytest.mark.parametrize("name", ["portable", "v3", "v4"])
def test_every_instruction_set_finds_the_same_keypoints_up_to_rounding(name, checkout):
    gray = to_gray(crop("coffee"))
    code = (
        f"import sys, numpy as np\nfrom classicvision._native.sift import find_sift\n"
        f"gray = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape({gray.shape})\n"
        "found = find_sift(gray, n_layers=3, sigma=1.6, contrast=0.04, edge_ratio=10.0, upsample=True)\n"
        "sys.stdout.buffer.write(b''.join(column.tobytes() for column in found))"
    )
    environment = os.environ | {"CLASSICVISION_ISA": name, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, "-c", code], input=gray.tobytes(), env=environment, capture_output=True, check=False
    )
    if b"SettingsError" in done.stderr:
        pytest.skip(f"this CPU has no {name}")
    here, there = NATIVE(gray), unpacked(done.stdout, gray.shape)
    found, rows, partners = share_found(here, there)
    assert found > 0.995
    assert share_found(there, here)[0] > 0.995
    assert cosines(here.descriptors[rows], there.descriptors[partners]).min() > 0.9999


def test_threads_give_identical_bits():
    images = [crop(name) for name in ("astronaut", "camera", "coffee", "gravel")] * 3
    alone = [NATIVE(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(NATIVE, images))
    for a, b in zip(alone, together, strict=True):
        for name in COLUMNS:
            assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_mirrored_picture_has_mirrored_keypoints_in_its_first_octave():
    gray = to_gray(crop("astronaut"))
    upright, mirrored = NATIVE(gray), NATIVE(np.flipud(gray))
    fine = upright[upright.scale < 1.5]
    turned = replace(
        fine, xy=np.column_stack([fine.xy[:, 0], len(gray) - 1 - fine.xy[:, 1]]), angle=(-fine.angle) % (2 * np.pi)
    )
    inside = (turned.xy.min(axis=1) > 12) & (turned.xy[:, 1] < len(gray) - 13)
    assert inside.sum() > 50
    assert share_found(turned[inside], mirrored)[0] > 0.97


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
