"""Fisher vectors: one component by hand, then compared with scikit-image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.feature import fisher_vector
from sklearn.mixture import GaussianMixture

from classicvision.encoding import mixture, pca
from classicvision.encoding.fisher import FisherCodebook, FisherSettings, fisher_gradient
from classicvision.encoding.gmm import learn_mixture
from classicvision.encoding.mixture import DiagonalMixture, moments
from classicvision.encoding.pca import learn_projection
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.features.local import LocalFeatures


def images(n_images=3, n=200, seed=0):
    rng = np.random.default_rng(seed)
    return [
        LocalFeatures(
            rng.uniform(0, [59, 39], (n, 2)),
            np.ones(n),
            np.zeros(n),
            np.ones(n),
            np.minimum(rng.gamma(0.5, 40, (n, 128)), 255).astype(np.uint8),
            (40, 60),
        )
        for _ in range(n_images)
    ]


def as_sklearn(ours):
    theirs = GaussianMixture(len(ours.weights), covariance_type="diag")
    theirs.weights_, theirs.means_, theirs.covariances_ = (
        array.astype(np.float64) for array in (ours.weights, ours.means, ours.variances)
    )
    theirs.precisions_cholesky_ = 1 / np.sqrt(theirs.covariances_)
    return theirs


def relative_error(ours, theirs):
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def test_two_points_and_one_component_by_hand():
    # Deviates of (3, 0) and (7, 1) from the mean (3, 0) with deviations (2, 1): (0, 0) and (2, 1).
    one = DiagonalMixture(np.float32([1]), np.float32([[3, 0]]), np.float32([[4, 1]]))
    code = fisher_gradient(moments(np.float32([[3, 0], [7, 1]]), one), one)
    by_means = [(0 + 2) / 2, (0 + 1) / 2]
    by_deviations = [(-1 + 3) / 2 / np.sqrt(2), (-1 + 0) / 2 / np.sqrt(2)]
    assert_allclose(code, by_means + by_deviations, rtol=1e-6)


def test_points_drawn_from_the_mixture_itself_have_a_gradient_near_zero():
    rng = np.random.default_rng(0)
    one = DiagonalMixture(np.float32([1]), np.zeros((1, 4), np.float32), np.ones((1, 4), np.float32))
    code = fisher_gradient(moments(rng.normal(size=(40_000, 4)).astype(np.float32), one), one)
    assert np.abs(code).max() < 4 / np.sqrt(40_000)


def test_the_gradient_is_that_of_scikit_image():
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(4000, 12)) * rng.uniform(0.3, 2, 12) + rng.integers(0, 3, (4000, 1))).astype(np.float32)
    ours = learn_mixture(points, 8, rng)
    code = fisher_gradient(moments(points[:500], ours), ours)
    theirs = fisher_vector(points[:500].astype(np.float64), as_sklearn(ours))
    n = ours.means.size
    by_means, by_deviations = theirs[-2 * n : -n], -theirs[-n:]  # theirs has the gradient by -deviation
    assert relative_error(code[:n], by_means) < 1e-4
    assert relative_error(code[n:], by_deviations) < 1e-4


def test_the_code_of_an_image_is_that_of_scikit_image_normalised():
    items = images()
    codebook = FisherSettings(n_components=6, n_dims=20).learn(items, np.random.default_rng(0))
    points = codebook.projection.points(items[1])
    theirs = fisher_vector(points.astype(np.float64), as_sklearn(codebook.mixture))[6:]
    theirs[codebook.mixture.means.size :] *= -1
    expected = np.sign(theirs) * np.sqrt(np.abs(theirs))
    assert relative_error(codebook.encode(items[1]), expected / np.linalg.norm(expected)) < 1e-4


def test_learning_takes_one_pass_over_the_images():
    items, passes = images(), []

    class Counting(list):
        def __iter__(self):
            passes.append(1)
            return super().__iter__()

    FisherSettings(n_components=3, n_dims=4).learn(Counting(items), np.random.default_rng(0))
    assert len(passes) == 1


def test_without_positions_a_code_does_not_depend_on_them():
    items = images()
    moved = LocalFeatures(
        items[0].xy[::-1], items[0].scale, items[0].angle, items[0].response, items[0].descriptors, (40, 60)
    )
    placed, placeless = (
        FisherSettings(n_components=3, n_dims=4, xy=xy).learn(items, np.random.default_rng(0)) for xy in (True, False)
    )
    assert_array_equal(placeless.encode(moved), placeless.encode(items[0]))
    assert not np.allclose(placed.encode(moved), placed.encode(items[0]), atol=1e-3)


def test_power_one_only_normalises_the_gradient():
    items = images()
    codebook = FisherSettings(n_components=3, n_dims=4, power=1.0).learn(items, np.random.default_rng(0))
    gradient = fisher_gradient(moments(codebook.projection.points(items[0]), codebook.mixture), codebook.mixture)
    assert_allclose(codebook.encode(items[0]), gradient / np.linalg.norm(gradient), rtol=1e-5)


def test_intra_normalised_components_have_equal_norms():
    items = images()
    settings = FisherSettings(n_components=3, n_dims=4, intra_norm=True)
    codebook = settings.learn(items, np.random.default_rng(0))
    gradient = fisher_gradient(moments(codebook.projection.points(items[0]), codebook.mixture), codebook.mixture)
    powered = np.copysign(np.sqrt(np.abs(gradient)), gradient).reshape(2, 3, 6)
    code = codebook.encode(items[0]).reshape(2, 3, 6)
    for component in range(3):
        own = powered[:, component]
        assert_allclose(code[:, component], own / np.linalg.norm(own) / np.sqrt(3), rtol=1e-5)


@pytest.mark.parametrize("cells", [("1x1", "1x2"), ("1x1", "1x2", "2x1")])
def test_the_code_of_a_cell_is_that_of_an_image_with_these_keypoints_alone(cells):
    items = images()
    settings = FisherSettings(n_components=3, n_dims=4, cells=cells)
    codebook = settings.learn(items, np.random.default_rng(0))
    whole = FisherSettings(n_components=3, n_dims=4).learn(items, np.random.default_rng(0))
    n_cells = 2 * len(cells) - 1
    code = codebook.encode(items[0]).reshape(n_cells, -1) * np.sqrt(n_cells)
    left = items[0][items[0].xy[:, 0] < 29.5]
    assert_allclose(code[0], whole.encode(items[0]), atol=1e-5)
    assert_allclose(code[1], whole.encode(left), atol=1e-5)
    reordered = replace(settings, cells=cells[::-1]).learn(items, np.random.default_rng(0)).encode(items[0])
    assert_allclose(reordered.reshape(n_cells, -1)[-1] * np.sqrt(n_cells), code[0], atol=1e-5)


@pytest.mark.parametrize("cells", [("1x1",), ("2x1",)])
@pytest.mark.parametrize("without", [(pca,), (mixture,), (pca, mixture)])
def test_without_kernels_descriptors_are_counted_block_by_block(monkeypatch, without, cells):
    items = images(2, n=300)
    codebook = FisherSettings(n_components=4, n_dims=8, cells=cells).learn(items, np.random.default_rng(0))
    at_once = codebook.encode(items[1])
    monkeypatch.setattr(mixture, "_BLOCK_ROWS", 64)
    for module in without:
        monkeypatch.setattr(module, "native_available", lambda: False)
    again = codebook.settings.restore(codebook.to_arrays())
    assert again.projection.prepared is None or again.mixture.table is None
    assert relative_error(again.encode(items[1]), at_once) < 1e-4


def test_names_identify_the_components_of_a_code():
    codebook = FisherSettings(n_components=2, n_dims=3, xy=False).learn(images(), np.random.default_rng(0))
    names = codebook.feature_names()
    assert names[:4] == ["mean_000_000", "mean_000_001", "mean_000_002", "mean_001_000"]
    assert names[6] == "deviation_000_000"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"n_components": 0}, "n_components"),
        ({"n_dims": 129}, "n_dims"),
        ({"n_samples": 100}, "n_samples"),
        ({"n_iterations": -1}, "n_iterations"),
        ({"power": 0.0}, "power"),
        ({"power": 1.5}, "power"),
        ({"cells": ("2",)}, "cells"),
    ],
)
def test_a_setting_out_of_range_is_named(change, name):
    with pytest.raises(SettingsError, match=name):
        FisherSettings(**change)


def test_learning_from_images_without_keypoints_is_refused():
    with pytest.raises(NotEnoughDataError, match="no keypoints"):
        FisherSettings().learn([LocalFeatures.empty((8, 8))], np.random.default_rng(0))


def test_too_few_descriptors_name_the_setting_to_reduce():
    settings = FisherSettings(n_components=400, n_dims=4)
    with pytest.raises(NotEnoughDataError, match=r"are too few for 400 components.*--set encoder\.n_components=100 "):
        settings.learn(images(1), np.random.default_rng(0))


def test_a_mixture_that_does_not_fit_the_settings_is_refused():
    points = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    learned = learn_mixture(points, 2, np.random.default_rng(0))
    projection = learn_projection(images(1)[0].descriptors, 4)
    FisherCodebook(projection, learned, FisherSettings(n_components=2, n_dims=4))
    with pytest.raises(ValueError, match="do not fit"):
        FisherCodebook(projection, learned, FisherSettings(n_components=3, n_dims=4))
