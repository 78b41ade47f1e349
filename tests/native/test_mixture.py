"""The compiled projections and moments against their definitions."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision import _native
from classicvision.encoding import mixture as mixture_module
from classicvision.encoding.mixture import LEAST_SHARE, DiagonalMixture, Moments, moments

pytestmark = pytest.mark.skipif(not _native.native_available(), reason="installed without compiled kernels")

if _native.native_available():
    from classicvision._native import kernels
    from classicvision._native import mixture as native


def random_mixture(rng, n_components, n_dims, tightness=1.0):
    weights = rng.dirichlet(np.ones(n_components) * 5) + 1e-3
    means = rng.normal(size=(n_components, n_dims))
    variances = tightness * rng.uniform(0.1, 2, (n_components, n_dims))
    return DiagonalMixture(*(array.astype(np.float32) for array in (weights / weights.sum(), means, variances)))


def by_numpy(points, mixture):
    return mixture_module._moments_by_numpy(points, mixture)


def assert_same(found: Moments, expected: Moments, *, rtol=2e-5):
    # A share of the posteriors, and of what they are multiplied with.
    n = max(expected.n_points, 1)
    assert_allclose(found.zeroth, expected.zeroth, rtol=rtol, atol=rtol * n)
    size = 1 + np.abs(expected.second).max()
    assert_allclose(found.first, expected.first, rtol=rtol, atol=rtol * size)
    assert_allclose(found.second, expected.second, rtol=rtol, atol=rtol * size)
    at_limit = 3 * LEAST_SHARE * n  # what one way skips as too small, the other may count
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-5, abs=at_limit)


@pytest.mark.parametrize("n_dims", [1, 2, 15, 16, 17, 33, 48, 82, 130])
@pytest.mark.parametrize(("n_points", "n_components"), [(1, 1), (13, 31), (700, 5), (1100, 70)])
def test_moments_are_those_of_numpy(n_points, n_components, n_dims):
    rng = np.random.default_rng(n_dims)
    mixture = random_mixture(rng, n_components, n_dims)
    points = rng.normal(size=(n_points, n_dims)).astype(np.float32)
    assert_same(moments(points, mixture), by_numpy(points, mixture))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_points=st.integers(0, 60),
    n_components=st.integers(1, 80),
    n_dims=st.integers(1, 40),
    tightness=st.sampled_from([1e-4, 1.0, 100.0]),
    offset=st.sampled_from([0.0, 30.0]),
    far=st.sampled_from([1.0, 30.0]),
)
def test_any_sizes_and_values_give_the_moments_of_numpy(seed, n_points, n_components, n_dims, tightness, offset, far):
    # Tight components and far points leave the screen few digits, so that densities must be computed again.
    rng = np.random.default_rng(seed)
    centred = random_mixture(rng, n_components, n_dims, tightness)
    mixture = DiagonalMixture(centred.weights, centred.means + np.float32(offset), centred.variances)
    near = mixture.means[rng.integers(n_components, size=n_points)]
    points = (near + far * np.sqrt(tightness) * rng.normal(size=(n_points, n_dims))).astype(np.float32)
    assert_same(moments(points, mixture), by_numpy(points, mixture), rtol=2e-3)


def test_a_component_within_the_least_share_is_named_for_every_point():
    # The posteriors of components that lie alike are alike, however small.
    rng = np.random.default_rng(0)
    one = random_mixture(rng, 1, 20)
    many = DiagonalMixture(*(np.repeat(array, 300, axis=0) for array in (one.weights / 300, one.means, one.variances)))
    found = moments(rng.normal(size=(40, 20)).astype(np.float32), many)
    assert_allclose(found.zeroth, 40 / 300, rtol=1e-5)


def mixture_of_variance(n_components, n_dims, variance):
    one = random_mixture(np.random.default_rng(0), n_components, n_dims)
    return DiagonalMixture(one.weights, one.means, np.full_like(one.means, variance))


@pytest.mark.parametrize("variance", [1e-36, 1e-30, 1e-12, 1e17])
@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(("n_components", "n_dims"), [(5, 3), (100, 40)])
def test_components_too_tight_or_too_wide_for_the_screen_are_counted(n_components, n_dims, variance):
    mixture = mixture_of_variance(n_components, n_dims, variance)
    for points in (mixture.means[:4], np.random.default_rng(1).normal(size=(50, n_dims)).astype(np.float32)):
        assert moments(points, mixture).zeroth.sum() == pytest.approx(len(points))


def test_a_tight_component_among_wide_ones_keeps_its_digits():
    # Sums of points far from the centre, in parts of a component's deviation, would lose them.
    rng = np.random.default_rng(0)
    wide = random_mixture(rng, 8, 40)
    variances = np.array(wide.variances)
    variances[0] = 1e-6
    mixture = DiagonalMixture(wide.weights, wide.means, variances)
    points = (mixture.means[0] + 1e-3 * rng.normal(size=(300, 40))).astype(np.float32)
    found, expected = moments(points, mixture), by_numpy(points, mixture)
    assert expected.zeroth[0] == pytest.approx(300)
    assert_allclose(found.first[0], expected.first[0], atol=0.1)  # float32 has steps of 1e-4 deviations there
    assert_allclose(found.second[0], expected.second[0], rtol=1e-3)


def test_the_rounding_of_the_screen_is_less_than_the_neglected_shares(monkeypatch):
    # So many components, so near to each other, that some of what is near to a point keeps a rounded score.
    rng = np.random.default_rng(0)
    wide = random_mixture(rng, 256, 80)
    mixture = DiagonalMixture(wide.weights, np.float32(0.3) * wide.means, np.full_like(wide.variances, 0.5))
    rows = rng.integers(256, size=1500)
    points = (mixture.means[rows] + np.sqrt(0.5) * rng.normal(size=(1500, 80))).astype(np.float32)
    found, expected = moments(points, mixture), by_numpy(points, mixture)
    monkeypatch.setattr(mixture_module, "LEAST_SHARE", 1e-30)
    whole = by_numpy(points, mixture)
    for name in ("zeroth", "first", "second"):
        ours, definition, all_shares = (getattr(each, name) for each in (found, expected, whole))
        assert np.linalg.norm(ours - definition) < 0.3 * np.linalg.norm(all_shares - definition)


def test_a_table_that_does_not_begin_at_a_cache_line_says_the_same():
    mixture = random_mixture(np.random.default_rng(0), 40, 30)
    points = np.random.default_rng(1).normal(size=(100, 30)).astype(np.float32)
    moved = []
    for array in mixture.table.arrays:
        room = np.empty(array.nbytes + 128, np.uint8)
        start = -room.ctypes.data % 64 + 4
        moved.append(room[start : start + array.nbytes].view(array.dtype).reshape(array.shape))
        moved[-1][...] = array
    results = []
    for arrays in (mixture.table.arrays, moved):
        sums = np.zeros(40), np.zeros((40, 30)), np.zeros((40, 30))
        kernels.add_moments(points, tuple(arrays), 1e-5, *sums)
        results.append(np.column_stack(sums))
    assert_array_equal(*results)


def test_points_far_from_all_components_are_refused_or_counted_and_never_lost():
    mixture = random_mixture(np.random.default_rng(0), 4, 3)
    assert moments(np.full((2, 3), 1e4, np.float32), mixture).zeroth.sum() == pytest.approx(2)
    with pytest.raises(ValueError, match="too far"):
        moments(np.full((1, 3), 1e30, np.float32), mixture)


def test_moments_are_added_to_what_is_there():
    mixture = random_mixture(np.random.default_rng(0), 3, 4)
    points = np.ones((5, 4), np.float32)
    zeroth, first, second = np.ones(3), np.zeros((3, 4)), np.zeros((3, 4))
    table = native.prepare(mixture.weights, mixture.means, mixture.variances, mixture.log_peaks)
    kernels.add_moments(points, table.arrays, 1e-5, zeroth, first, second)
    assert zeroth.sum() == pytest.approx(8)


@pytest.mark.parametrize("place", range(9))
def test_a_table_of_wrong_shape_is_refused(place):
    mixture = random_mixture(np.random.default_rng(0), 3, 4)
    table = native.prepare(mixture.weights, mixture.means, mixture.variances, mixture.log_peaks)
    arrays = list(table.arrays)
    arrays[place] = np.concatenate([arrays[place], arrays[place]])
    sums = np.zeros(3), np.zeros((3, 4)), np.zeros((3, 4))
    with pytest.raises(ValueError, match=r"length|components"):
        kernels.add_moments(np.ones((5, 4), np.float32), tuple(arrays), 1e-5, *sums)


def projection_of(whole, steps, offset, scales=(), *, are_roots=True):
    levels = np.rint(np.sqrt(np.arange(256)) * 512) if are_roots else np.arange(256)
    arrays = (np.asarray(array, np.float32) for array in (steps, offset, scales))
    return native.prepare_projection(whole, *arrays, levels=levels.astype(np.int16), are_roots=are_roots)


def random_projection(rng, n_dims, n_out, n_places, *, are_roots=True):
    whole = rng.integers(-200, 201, (n_dims, n_out), dtype=np.int16)
    steps, offset, scales = (rng.normal(size=n) for n in (n_out, n_out, n_places))
    return projection_of(whole, 1e-4 * steps, offset, scales, are_roots=are_roots)


def random_descriptors(rng, n, n_dims, n_places):
    return rng.integers(0, 256, (n, n_dims), dtype=np.uint8), rng.normal(size=(n, n_places)).astype(np.float32)


@pytest.mark.parametrize("n_places", [0, 2])
@pytest.mark.parametrize("are_roots", [True, False])
@pytest.mark.parametrize("n_out", [1, 7, 16, 64, 80, 81, 96, 112, 128])
@pytest.mark.parametrize(("n_points", "n_dims"), [(0, 128), (1, 128), (4, 1), (5, 31), (23, 128), (6, 130), (2, 1024)])
def test_projections_are_products_of_whole_numbers(n_points, n_dims, n_out, are_roots, n_places):
    rng = np.random.default_rng(n_out)
    raw, places = random_descriptors(rng, n_points, n_dims, n_places)
    whole = rng.integers(-200, 201, (n_dims, n_out), dtype=np.int16)
    steps, offset, scales = (rng.normal(size=n).astype(np.float32) for n in (n_out, n_out, n_places))
    points = np.empty((n_points, n_out + n_places), np.float32)
    native.project(raw, places, projection_of(whole, steps, offset, scales, are_roots=are_roots), points)
    levels = np.rint(np.sqrt(raw.astype(np.float64)) * 512) if are_roots else raw.astype(np.float64)
    lengths = np.sqrt(np.maximum(raw.sum(axis=1, keepdims=True), 1)) if are_roots else 1
    assert_allclose(points[:, :n_out], levels @ whole * steps / lengths - offset, rtol=1e-6, atol=1e-3)
    assert_array_equal(points[:, n_out:], places * scales)


def test_every_byte_has_its_own_level():
    raw = np.arange(256, dtype=np.uint8)[:, np.newaxis]
    levels = np.random.default_rng(0).permutation(np.arange(-128, 128, dtype=np.int16) * 255)
    one = np.ones(1, np.float32)
    prepared = native.prepare_projection(
        np.ones((1, 1), np.int16), one, 0 * one, one[:0], levels=levels, are_roots=False
    )
    points = np.empty((256, 1), np.float32)
    native.project(raw, np.empty((256, 0), np.float32), prepared, points)
    assert_array_equal(points[:, 0], levels)


@pytest.mark.parametrize("n_points", [0, 1, 5, 479, 480, 481, 1000])
@pytest.mark.parametrize(("n_out", "n_places"), [(1, 0), (14, 2), (15, 2), (16, 0), (16, 2), (80, 2), (80, 0), (33, 3)])
def test_moments_of_descriptors_are_those_of_their_points(n_points, n_out, n_places):
    rng = np.random.default_rng(n_out)
    raw, places = random_descriptors(rng, n_points, 128, n_places)
    prepared = random_projection(rng, 128, n_out, n_places)
    mixture = random_mixture(rng, 20, n_out + n_places)
    points = np.empty((n_points, n_out + n_places), np.float32)
    native.project(raw, places, prepared, points)
    expected = moments(points, mixture)
    sums = np.zeros(20), np.zeros(mixture.means.shape), np.zeros(mixture.means.shape)
    log_likelihood = native.add_descriptor_moments(raw, places, prepared, mixture.table, LEAST_SHARE, sums)
    assert log_likelihood == expected.log_likelihood
    for found, name in zip(sums, ("zeroth", "first", "second"), strict=True):
        assert_array_equal(found, getattr(expected, name))


def test_scales_may_lie_at_any_address():
    scales = np.zeros(9, np.uint8)[1:].view(np.float32)
    scales[:] = 2, 3
    points = np.empty((1, 3), np.float32)
    prepared = projection_of(np.ones((128, 1), np.int16), [1], [0], scales)
    assert not scales.flags.aligned
    native.project(np.zeros((1, 128), np.uint8), np.float32([[1, 1]]), prepared, points)
    assert_array_equal(points, [[0, 2, 3]])


def test_descriptors_whose_points_do_not_fit_the_mixture_are_refused():
    rng = np.random.default_rng(0)
    raw, places = random_descriptors(rng, 3, 128, 2)
    mixture = random_mixture(rng, 4, 17)
    sums = np.zeros(4), np.zeros((4, 17)), np.zeros((4, 17))
    with pytest.raises(ValueError, match="length"):
        native.add_descriptor_moments(raw, places, random_projection(rng, 128, 14, 2), mixture.table, 1e-5, sums)


def test_a_descriptor_of_zeros_is_projected_as_zeros():
    points = np.empty((1, 2), np.float32)
    prepared = projection_of(np.ones((128, 2), np.int16), [1, 1], [1, 2])
    native.project(np.zeros((1, 128), np.uint8), np.empty((1, 0), np.float32), prepared, points)
    assert_array_equal(points, [[-1, -2]])


@pytest.mark.parametrize("shape", [(3, 6), (3, 8), (2, 7), (4, 7)])
def test_points_of_another_shape_are_refused(shape):
    rng = np.random.default_rng(0)
    raw, places = random_descriptors(rng, 3, 128, 2)
    with pytest.raises(ValueError, match="points has length"):
        native.project(raw, places, random_projection(rng, 128, 5, 2), np.empty(shape, np.float32))


@pytest.mark.parametrize("shape", [(2, 2), (4, 2), (3, 1), (3, 3)])
def test_places_of_another_shape_are_refused(shape):
    rng = np.random.default_rng(0)
    raw, _ = random_descriptors(rng, 3, 128, 2)
    with pytest.raises(ValueError, match="places has length"):
        native.project(raw, np.zeros(shape, np.float32), random_projection(rng, 128, 5, 2), np.empty((3, 7), "f4"))


@pytest.mark.parametrize(
    ("place", "part", "name"),
    [
        (0, np.s_[:-1], "levels"),
        (1, np.s_[:-1], "basis"),
        (1, np.s_[:, :-1], "basis"),
        (1, np.s_[:, :, :1], "basis"),
        (2, np.s_[:-1], "steps"),
        (3, np.s_[:-1], "offset"),
        (4, np.s_[:-1], "places"),
    ],
)
def test_a_projection_that_does_not_fit_is_refused(place, part, name):
    rng = np.random.default_rng(0)
    raw, places = random_descriptors(rng, 3, 128, 2)
    parts = list(random_projection(rng, 128, 5, 2))
    parts[place] = np.ascontiguousarray(parts[place][part])
    with pytest.raises(ValueError, match=f"{name} has length"):
        kernels.project_points(raw, places, tuple(parts), np.empty((3, 7), np.float32))


@pytest.mark.parametrize("n_out", [-1, 0, 1023])
def test_points_of_too_many_numbers_or_none_are_refused(n_out):
    rng = np.random.default_rng(0)
    raw, places = random_descriptors(rng, 3, 128, 2)
    prepared = random_projection(rng, 128, 5, 2)._replace(n_out=n_out)
    with pytest.raises(ValueError, match="from 1 to 1024 numbers"):
        kernels.project_points(raw, places, prepared, np.empty((3, 7), np.float32))


SCRIPT = """
import numpy as np, sys
from classicvision import _native
from classicvision.encoding.mixture import DiagonalMixture, moments
rng = np.random.default_rng(0)
mixture = DiagonalMixture(np.full(40, 1 / 40, np.float32), rng.normal(size=(40, 20)).astype("f4"),
                          rng.uniform(0.5, 2, (40, 20)).astype("f4"))
found = moments(rng.normal(size=(900, 20)).astype("f4"), mixture)
sys.stdout.buffer.write(np.column_stack([found.zeroth, found.first, found.second]).tobytes())
"""


def by_instruction_set(isa):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=os.environ | {"CLASSICVISION_ISA": isa}, capture_output=True, check=False
    )
    if done.returncode and b"CLASSICVISION_ISA" in done.stderr:
        pytest.skip(f"this machine or build has no {isa}")
    assert not done.returncode, done.stderr.decode()
    return np.frombuffer(done.stdout)


@pytest.mark.parametrize("isa", ["portable", "v3"])
def test_instruction_sets_agree_within_rounding(isa):
    assert_allclose(by_instruction_set(isa), by_instruction_set(_native.instruction_set()), rtol=1e-4, atol=2e-3)


def test_two_runs_give_the_same_bits():
    isa = _native.instruction_set()
    assert_array_equal(by_instruction_set(isa), by_instruction_set(isa))
