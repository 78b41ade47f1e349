import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.features.descriptor import describe_keypoints, to_bytes
from classicvision.features.extrema import Blobs
from classicvision.features.scalespace import ScaleSpace

SIDE = 81
ROWS, COLUMNS = np.indices((SIDE, SIDE)).astype(np.float32) - SIDE // 2


def describe_middle(level: np.ndarray, angle: float = 0.0) -> np.ndarray:
    """Return the descriptor of the sample in the middle, as (row of cells, column of cells, direction)."""
    gaussians = np.repeat(level[None].astype(np.float32), 6, axis=0)
    space = ScaleSpace((gaussians,), (np.diff(gaussians, axis=0),), sigma=1.6, n_layers=3, upsampled=False)
    middle = np.array([SIDE // 2])
    one = np.ones(1, np.int64)
    blobs = Blobs(0 * one, one, middle, middle, np.full((1, 2), SIDE / 2), 2.0 * one, 0.1 * one)
    return describe_keypoints(space, blobs, np.array([angle])).reshape(4, 4, 8)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 200])
def test_a_ramp_along_the_angle_fills_direction_zero_of_all_cells(degrees):
    angle = np.radians(degrees)
    found = describe_middle(np.cos(angle) * COLUMNS + np.sin(angle) * ROWS, angle)
    assert np.all(found[:, :, 0] > 0)
    assert np.all(found[:, :, 1:] == 0)


def test_directions_are_counted_anticlockwise_from_the_angle():
    upwards, downwards = describe_middle(-ROWS), describe_middle(ROWS)
    assert_array_equal(np.unique(np.nonzero(upwards)[2]), [2])
    assert_array_equal(np.unique(np.nonzero(downwards)[2]), [6])


def test_a_direction_half_way_between_two_bins_is_shared_evenly():
    angle = np.radians(22.5)
    found = describe_middle(np.cos(angle) * COLUMNS + np.sin(angle) * ROWS)
    assert_allclose(found[:, :, 0].astype(int), found[:, :, 7].astype(int), atol=1)
    assert np.all(found[:, :, 1:7] == 0)


def test_cells_go_row_by_row_from_the_upper_left():
    above, left = describe_middle(np.minimum(ROWS, 0)), describe_middle(np.minimum(COLUMNS, 0))
    assert above[0].sum() > 0 == above[3].sum()
    assert left[:, 0].sum() > 0 == left[:, 3].sum()


def test_cells_rotate_with_the_angle():
    # Rotated by 90 degrees clockwise, the keypoint's first row of cells is on the right.
    found = describe_middle(np.maximum(COLUMNS, 0), np.pi / 2)
    assert found[0].sum() > 0 == found[3].sum()


@given(st.integers(1, 3), st.floats(0, 2 * np.pi))
def test_rotating_image_and_angle_by_90_degrees_does_not_change_the_descriptor(turns, angle):
    level = np.random.default_rng(0).random((SIDE, SIDE))
    upright = describe_middle(level, angle).astype(int)
    rotated = describe_middle(np.rot90(level, turns), angle - turns * np.pi / 2).astype(int)
    assert np.abs(upright - rotated).max() <= 1


@given(st.floats(0.01, 100), st.floats(-100, 100))
def test_contrast_and_brightness_do_not_change_the_descriptor(contrast, brightness):
    level = np.random.default_rng(0).random((SIDE, SIDE))
    plain = describe_middle(level).astype(int)
    changed = describe_middle(contrast * level + contrast * brightness).astype(int)
    assert np.abs(plain - changed).max() <= 1


def test_a_uniform_neighbourhood_has_a_descriptor_of_zeros():
    assert not describe_middle(np.ones((SIDE, SIDE))).any()


def test_one_large_count_among_many_is_clipped_at_a_fifth_of_the_norm():
    # Counts 3 and 4 x 1: the norm is 5, the clip 1, and all five are equal afterwards.
    counts = np.zeros((1, 128))
    counts[0, :17] = [3, *[1] * 16]
    assert_array_equal(to_bytes(counts)[0, :17], np.full(17, round(512 / 17**0.5)))


def test_counts_beyond_a_byte_are_stored_as_255():
    counts = np.zeros((1, 128))
    counts[0, :2] = 1
    assert_array_equal(to_bytes(counts)[0, :3], [255, 255, 0])
