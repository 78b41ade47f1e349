"""Principal directions of descriptors and appended positions: a line by hand, then compared with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from classicvision.encoding import pca
from classicvision.encoding.pca import Projection, learn_projection, plain_descriptors
from classicvision.encoding.vocabulary import relative_positions, sample_descriptors, sample_positions
from classicvision.errors import NotEnoughDataError
from classicvision.features.dense import DenseSift
from classicvision.features.local import LocalFeatures
from classicvision.features.rootsift import root_sift
from classicvision.images import read_image


def descriptors(n, seed=0):
    rng = np.random.default_rng(seed)
    return np.minimum(rng.gamma(0.5, 40, (n, 128)) * np.linspace(2, 0.2, 128), 255).astype(np.uint8)


def features(n, seed=0, size=(30, 50)):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, [size[1] - 1, size[0] - 1], (n, 2))
    return LocalFeatures(xy, np.ones(n), np.zeros(n), np.ones(n), descriptors(n, seed), size)


def test_the_first_direction_of_points_on_a_line_is_the_line():
    # By hand: 64 (1, 1) / 512 and its negative around the mean differ in the direction (1, 1) / sqrt(2) only.
    raw = np.zeros((2, 128), np.uint8)
    raw[1, :2] = 64
    learned = learn_projection(raw, 1, xy=False, as_root_sift=False)
    assert_allclose(learned.basis[:, 0], np.r_[[np.sqrt(0.5)] * 2, np.zeros(126)], atol=1e-6)
    assert_allclose(learned.mean, np.r_[[1 / 16] * 2, np.zeros(126)], atol=1e-7)
    points = learned.points_of(raw, np.zeros((2, 2), np.float32))
    assert_allclose(points, [[-np.sqrt(2) / 16], [np.sqrt(2) / 16]], rtol=1e-5)


@pytest.mark.parametrize("whiten", [False, True])
def test_projections_are_those_of_sklearn_up_to_signs(whiten):
    raw = descriptors(5000)
    theirs = PCA(20, whiten=whiten, svd_solver="full").fit(root_sift(raw).astype(np.float64))
    ours = learn_projection(raw, 20, whiten=whiten, xy=False)
    points, expected = ours.points_of(raw, np.zeros((5000, 2), np.float32)), theirs.transform(root_sift(raw))
    if whiten:
        expected *= np.sqrt(5000 / 4999)  # theirs divides by N - 1
    signs = np.sign((points * expected).sum(axis=0))
    assert_allclose(points, expected * signs, atol=2e-4 * np.abs(expected).max())


def test_the_largest_component_of_each_direction_is_positive():
    basis = learn_projection(descriptors(500), 128).basis
    assert (np.take_along_axis(basis, np.abs(basis).argmax(axis=0)[np.newaxis], axis=0) > 0).all()


def test_directions_do_not_depend_on_the_block_size(monkeypatch):
    raw = descriptors(3000)
    expected = learn_projection(raw, 10)
    monkeypatch.setattr(pca, "_BLOCK_ROWS", 700)
    assert_allclose(learn_projection(raw, 10).basis, expected.basis, atol=1e-5)


def test_whitened_points_have_deviation_one():
    raw = descriptors(3000)
    points = learn_projection(raw, 30, whiten=True, xy=False).points_of(raw, np.zeros((3000, 2), np.float32))
    assert_allclose(points.std(axis=0), 1, rtol=1e-3)


def test_whitening_does_not_amplify_directions_without_variance():
    raw = np.zeros((10, 128), np.uint8)
    raw[:, :3] = np.random.default_rng(0).integers(1, 200, (10, 3))
    learned = learn_projection(raw, 20, whiten=True)
    assert np.isfinite(learned.basis).all()
    assert np.abs(learned.points_of(raw, np.zeros((10, 2), np.float32))).max() < 100


def test_equal_descriptors_have_a_projection_of_zeros():
    raw = np.full((4, 128), 9, np.uint8)
    points = learn_projection(raw, 3, xy=False).points_of(raw, np.zeros((4, 2), np.float32))
    assert_allclose(points, 0, atol=1e-6)


def test_positions_run_from_border_to_border():
    # An image of 4 x 2 pixels: the centre of the first pixel is an eighth of the width from the left border.
    two = LocalFeatures([[0, 0], [3, 1]], np.ones(2), np.zeros(2), np.ones(2), np.zeros((2, 128), np.uint8), (2, 4))
    assert_allclose(relative_positions(two), [[-0.375, -0.25], [0.375, 0.25]])


def test_positions_are_scaled_by_the_deviation_of_the_first_direction():
    raw, image = descriptors(3000), features(6)
    plain, placed = learn_projection(raw, 5, xy=False), learn_projection(raw, 5)
    deviation = plain.points_of(raw, np.zeros((3000, 2), np.float32))[:, 0].std()
    assert_array_equal(placed.points(image)[:, :5], plain.points(image))
    assert_allclose(placed.points(image)[:, 5:], relative_positions(image) * deviation, rtol=1e-3)


def test_an_image_without_keypoints_has_no_points():
    learned = learn_projection(descriptors(100), 7)
    assert learned.points(LocalFeatures.empty((8, 8))).shape == (0, 9)


@pytest.mark.parametrize("as_root_sift", [True, False])
def test_the_kernel_projects_as_numpy_does(monkeypatch, as_root_sift):
    raw, image = descriptors(1000), features(2500, seed=1)
    learned = learn_projection(raw, 80, as_root_sift=as_root_sift)
    points = learned.points(image)
    monkeypatch.setattr(pca, "native_available", lambda: False)
    expected = Projection(learned.mean, learned.basis, learned.xy_scale, as_root_sift).points(image)
    assert_allclose(points, expected, atol=1e-6)


@pytest.mark.parametrize("as_root_sift", [True, False])
def test_quantisation_moves_points_by_less_than_a_thousandth_of_their_deviation(as_root_sift, checkout):
    paths = sorted((checkout / "data" / "textures").glob("*/*"))[::7]
    raw = np.concatenate([DenseSift()(read_image(path)).descriptors for path in paths])
    learned = learn_projection(raw, 80, xy=False, as_root_sift=as_root_sift)
    points = learned.points_of(raw, np.zeros((len(raw), 2), np.float32))
    plain = plain_descriptors(raw, as_root_sift).astype(np.float64)
    difference = points - (plain - learned.mean) @ learned.basis
    assert (difference.std(axis=0) < 1e-3 * points.std(axis=0)).all()
    assert np.abs(difference).max() < 8e-5


@pytest.mark.parametrize("has_kernels", [True, False])
@pytest.mark.parametrize("as_root_sift", [True, False])
def test_projections_never_overflow(monkeypatch, as_root_sift, has_kernels):
    if not has_kernels:
        monkeypatch.setattr(pca, "native_available", lambda: False)
    basis = np.outer(np.ones(128), [1, -1e-30, 1e15, 0, 1e-42]).astype(np.float32)
    projection = Projection(np.zeros(128, np.float32), basis, np.zeros(2, np.float32), as_root_sift)
    raw = np.full((3, 128), 255, np.uint8)
    plain = plain_descriptors(raw, as_root_sift).astype(np.float64)
    assert_allclose(projection.points_of(raw, np.zeros((3, 2), np.float32))[:, :4], (plain @ basis)[:, :4], rtol=3e-4)


def test_learning_from_no_descriptors_is_refused():
    with pytest.raises(NotEnoughDataError, match="no keypoints"):
        learn_projection(np.zeros((0, 128), np.uint8), 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"basis": None}, "needs the array"),
        ({"basis": np.zeros((128, 4), np.float32)}, "basis is"),
        ({"mean": np.zeros(127, np.float32)}, "mean is"),
        ({"mean": np.full(128, np.nan, np.float32)}, "mean has values"),
        ({"xy_scale": np.zeros(2, np.float32)}, "xy is True"),
    ],
)
def test_arrays_that_do_not_fit_are_named(change, message):
    arrays = learn_projection(descriptors(100), 3).to_arrays() | change
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(ValueError, match=message):
        Projection.from_arrays(arrays, 3, xy=True, as_root_sift=True)


def test_a_sample_with_positions_has_the_same_descriptors_as_one_without():
    items = [features(40, seed) for seed in range(5)]
    expected = sample_descriptors(items, 60, np.random.default_rng(3))
    found, places = sample_positions(items, 60, np.random.default_rng(3))
    assert_array_equal(found, expected)
    place_of = {
        descriptor.tobytes(): place
        for item in items
        for descriptor, place in zip(item.descriptors, relative_positions(item), strict=True)
    }
    assert_array_equal(places, [place_of[descriptor.tobytes()] for descriptor in found])
