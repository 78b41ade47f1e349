"""The compiled dense SIFT, against the reference and at the edges of its input."""

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
from classicvision.features.dense import DenseSift
from classicvision.images import to_gray

pytestmark = pytest.mark.skipif(not _native.native_available(), reason="installed without compiled kernels")

NATIVE, REFERENCE = DenseSift(engine="native", contrast=0.0), DenseSift(engine="reference", contrast=0.0)
COLUMNS = ["xy", "scale", "angle", "response", "descriptors"]

# Votes are rounded to 1/512 grey level and sums are taken in float32: of patches with some contrast, no byte differs by
# more than one, and few do.
BYTE, SHARE = 1, 0.05
CLEAR = 1e-3  # response; a flat image with noise of one grey level has more


def assert_same(ours, theirs):
    assert_array_equal(ours.xy, theirs.xy)
    assert_array_equal(ours.scale, theirs.scale)
    assert_allclose(ours.response, theirs.response, rtol=1e-3, atol=2e-5)
    clear = theirs.response >= CLEAR
    difference = np.abs(ours.descriptors[clear].astype(int) - theirs.descriptors[clear])
    assert difference.max(initial=0) <= BYTE
    assert (difference > 0).mean() <= SHARE if difference.size else True


def cut(name):
    image = getattr(data, name)()
    gray = to_gray(image) if image.ndim == 3 else image
    return np.ascontiguousarray(gray[100:220, 60:203])


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee", "gravel"])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"step": 1, "bin_sizes": (3,)},
        {"step": 6},
        {"step": 5, "bin_sizes": (1, 2, 3, 5, 7)},
        {"step": 8, "bin_sizes": (12, 17)},
        {"step": 50, "bin_sizes": (4,)},
        {"step": 1000, "bin_sizes": (6,)},
        {"step": 16, "bin_sizes": (16, 32, 39)},
        {"step": 7, "bin_sizes": (8,), "magnification": 1.0},
        {"step": 7, "bin_sizes": (8,), "magnification": 1e6},
        {"window": 0.3},
        {"window": 100.0},
    ],
    ids=str,
)
def test_patches_are_the_references_up_to_rounding(name, change):
    gray = cut(name)
    ours, theirs = replace(NATIVE, **change)(gray), replace(REFERENCE, **change)(gray)
    assert len(theirs) > 0
    assert_same(ours, theirs)


@pytest.mark.parametrize("bin_size", [64, 107, 108, 130, 256])
def test_the_largest_cells_do_not_overflow(bin_size):
    # The steepest image possible: each pixel's slope is that of black to white, along one diagonal.
    size = 3 * bin_size + 3
    steps = (np.add.outer(np.arange(size), np.arange(size)) // 2 % 2 * 255).astype(np.uint8)
    settings = {"step": 1, "bin_sizes": (bin_size,), "magnification": 1e6}
    ours, theirs = replace(NATIVE, **settings)(steps), replace(REFERENCE, **settings)(steps)
    assert len(theirs) == 9
    assert_same(ours, theirs)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (4, 4), (5, 4), (33, 17), (17, 33), (4, 400), (400, 4)])
@pytest.mark.parametrize("bin_sizes", [(1,), (1, 2), (3, 5), (40,)], ids=str)
def test_noise_of_any_size_has_the_references_patches(shape, bin_sizes):
    noise = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    settings = {"bin_sizes": bin_sizes, "step": 2}
    assert_same(replace(NATIVE, **settings)(noise), replace(REFERENCE, **settings)(noise))


@pytest.mark.parametrize("name", ["portable", "v3", "v4"])
def test_every_instruction_set_describes_alike_up_to_rounding(name, checkout):
    gray = cut("coffee")
    code = (
        f"import sys, numpy as np\nfrom classicvision import DenseSift\n"
        f"gray = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape({gray.shape})\n"
        "features = DenseSift(engine='native', contrast=0.0)(gray)\n"
        "sys.stdout.buffer.write(features.response.tobytes() + features.descriptors.tobytes())"
    )
    environment = os.environ | {"CLASSICVISION_ISA": name, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, "-c", code], input=gray.tobytes(), env=environment, capture_output=True, check=False
    )
    if b"SettingsError" in done.stderr:
        pytest.skip(f"this CPU has no {name}")
    theirs = REFERENCE(gray)
    n = len(theirs)
    response = np.frombuffer(done.stdout, np.float32, n)
    descriptors = np.frombuffer(done.stdout, np.uint8, offset=4 * n).reshape(n, 128)
    assert_same(replace(theirs, response=response, descriptors=descriptors), theirs)


def test_threads_give_identical_bits():
    images = [cut(name) for name in ("astronaut", "camera", "coffee", "gravel")] * 3
    alone = [NATIVE(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(NATIVE, images))
    for a, b in zip(alone, together, strict=True):
        for name in COLUMNS:
            assert_array_equal(getattr(a, name), getattr(b, name))


def arguments(gray, step=2, bin_size=2, first=0, magnification=6.0, window=2.0, contrast=0.0, n=1):
    columns = np.empty((n, 2), np.float32), np.empty(n, np.float32), np.empty((n, 128), np.uint8)
    return [gray, step, bin_size, first, magnification, window, contrast, *columns]


def test_the_kernel_tells_how_many_patches_it_kept():
    noise = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    assert kernels.describe_dense(*arguments(noise)) == 1
    assert kernels.describe_dense(*arguments(noise, contrast=1.0)) == 0


@pytest.mark.parametrize(
    ("gray", "reason"),
    [
        (np.zeros((8, 8), np.float32), "format 'f'"),
        (np.zeros(8, np.uint8), "1 dimensions"),
        (np.zeros((0, 8), np.uint8), "from 1 to"),
    ],
)
def test_the_kernel_refuses_an_image_of_another_kind(gray, reason):
    with pytest.raises(ValueError, match=reason):
        kernels.describe_dense(*arguments(gray))


@pytest.mark.parametrize("n", [0, 2])
def test_the_kernel_refuses_columns_of_another_length(n):
    with pytest.raises(ValueError, match="xy has length"):
        kernels.describe_dense(*arguments(np.zeros((8, 8), np.uint8), n=n))


@pytest.mark.parametrize(("number", "width"), [(7, 3), (9, 127)])
def test_the_kernel_refuses_columns_of_another_width(number, width):
    given = arguments(np.zeros((8, 8), np.uint8))
    given[number] = np.empty((1, width), given[number].dtype)
    with pytest.raises(ValueError, match=f"has length {width} along axis 1"):
        kernels.describe_dense(*given)


def test_the_kernel_refuses_an_array_that_is_not_contiguous():
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        kernels.describe_dense(*arguments(np.zeros((8, 16), np.uint8)[:, ::2]))


@pytest.mark.parametrize(
    "change",
    [
        {"step": 0},
        {"bin_size": 0},
        {"bin_size": 257},
        {"first": -1},
        {"magnification": 0.0},
        {"magnification": float("nan")},
        {"window": 0.0},
        {"window": float("inf")},
        {"contrast": -1.0},
        {"contrast": float("nan")},
    ],
    ids=str,
)
def test_the_kernel_refuses_settings_out_of_range(change):
    with pytest.raises(ValueError, match="out of its range"):
        kernels.describe_dense(*arguments(np.zeros((8, 8), np.uint8), **change))
