"""The kernels of matching, against NumPy and the definitions."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from classicvision import _native
from classicvision.features import rootsift
from classicvision.features.local import LocalFeatures
from classicvision.matching import correspondences, geometry, hypotheses, nearest

pytestmark = pytest.mark.skipif(not _native.native_available(), reason="installed without compiled kernels")

if _native.native_available():
    from classicvision._native import kernels


def sift_like(n, seed, n_dims=128):
    rng = np.random.default_rng(seed)
    return (rng.exponential(1, (n, n_dims)) * 30).clip(0, 255).astype(np.uint8)


def matches(n=120, seed=0):
    """Return matches, half of which agree with one transform."""
    rng = np.random.default_rng(seed)
    xy, scale, angle = rng.uniform(0, 400, (n, 2)), rng.uniform(1, 8, n), rng.uniform(0, 6, n)
    a = LocalFeatures(xy, scale, angle, np.ones(n), np.zeros((n, 128)), (400, 400))
    xy = a.xy.copy()
    xy[n // 2 :] = rng.uniform(0, 400, (n - n // 2, 2))
    b = LocalFeatures(xy * 1.5, a.scale * 1.5, a.angle, a.response, a.descriptors, (600, 600))
    return correspondences.Correspondences.of(a, b, np.repeat(np.arange(n)[:, None], 2, axis=1).astype(np.int32))


def without_kernels(monkeypatch):
    for module in (rootsift, nearest, geometry, correspondences, hypotheses):
        monkeypatch.setattr(module, "native_available", lambda: False)


@pytest.mark.parametrize(("n_a", "n_b"), [(1, 1), (5, 3), (24, 64), (25, 65), (100, 1024), (30, 1025), (1100, 2100)])
def test_nearest_two_are_those_of_numpy(n_a, n_b, monkeypatch):
    a, b = sift_like(n_a, 0), sift_like(n_b, 1)
    compiled = nearest.nearest_two(a, b)
    without_kernels(monkeypatch)
    for one, other in zip(compiled, nearest.nearest_two(a, b), strict=True):
        assert_array_equal(one.rows, other.rows)
        assert_array_equal(one.squared, other.squared)


@pytest.mark.parametrize(("n_a", "n_b"), [(3, 2), (60, 70), (50, 1100), (1100, 50)])
def test_of_equally_near_descriptors_the_earlier_is_nearest(n_a, n_b, monkeypatch):
    """Few different ones, so that most distances are equal: in a vector, a panel, a block, a chunk and beyond."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 2, (n, 2), np.uint8) for n in (n_a, n_b))
    compiled = nearest.nearest_two(a, b)
    without_kernels(monkeypatch)
    for one, other in zip(compiled, nearest.nearest_two(a, b), strict=True):
        assert_array_equal(one.rows, other.rows)
        assert_array_equal(one.squared, other.squared)


@pytest.mark.parametrize("n", [1, 2, 130])
def test_the_farthest_descriptors_that_there_can_be_are_nearest_where_there_are_no_others(n):
    for found in nearest.nearest_two(np.full((n, 256), 255, np.uint8), np.zeros((n, 256), np.uint8)):
        assert_array_equal(found.rows, [[0, 1 if n > 1 else -1]] * n)
        assert_array_equal(found.squared, [[256 * 255**2, 256 * 255**2 if n > 1 else 2**24]] * n)


@pytest.mark.parametrize("n_dims", [0, 1, 2, 3, 5, 127, 129, 256])
def test_any_width_up_to_256_is_exact(n_dims, monkeypatch):
    a, b = sift_like(40, 0, n_dims), sift_like(70, 1, n_dims)
    a[0], b[0] = 255, 0
    compiled = nearest.nearest_two(a, b)
    without_kernels(monkeypatch)
    for one, other in zip(compiled, nearest.nearest_two(a, b), strict=True):
        assert_array_equal(one.rows, other.rows)
        assert_array_equal(one.squared, other.squared)


def test_root_sift_bytes_are_those_of_numpy(monkeypatch):
    descriptors = np.concatenate([sift_like(500, 0), np.zeros((1, 128), np.uint8), np.eye(3, 128, dtype=np.uint8)])
    compiled = rootsift.root_sift_bytes(descriptors)
    without_kernels(monkeypatch)
    assert_array_equal(compiled, rootsift.root_sift_bytes(descriptors))


@pytest.mark.parametrize("n", [1, 4, 15, 16, 17, 120])
def test_as_many_agree_as_numpy_counts(n, monkeypatch):
    columns = hypotheses._as_hypotheses(matches(n))
    compiled = hypotheses.count_agreeing(*columns)
    without_kernels(monkeypatch)
    assert_array_equal(compiled, hypotheses.count_agreeing(*columns))
    assert compiled[0] >= n // 2


@pytest.mark.parametrize("n", [1, 2, 120])
def test_moments_are_those_of_numpy(n, monkeypatch):
    one = matches(n)
    compiled = geometry._moments(one.a, one.b)
    without_kernels(monkeypatch)
    assert_allclose(compiled, geometry._moments(one.a, one.b), rtol=1e-12, atol=1e-6)


def test_errors_are_those_of_numpy(monkeypatch):
    tilted = np.array([[1.4, 0.1, 20], [-0.1, 1.5, 30], [4e-4, -3e-4, 1]])
    for transform in (tilted, np.linalg.inv(tilted)):
        motion = correspondences.Motion.at(transform, np.array([[200.0, 200]]))
        compiled = motion.errors(matches())
        with monkeypatch.context() as patch:
            without_kernels(patch)
            assert_allclose(compiled, motion.errors(matches()), rtol=1e-12)


@pytest.mark.parametrize("n", [2, 5, 120])
def test_places_and_shifted_pairs_are_counted_as_by_numpy(n, monkeypatch):
    one, tolerances = matches(n), (1.5, 30.0, 300.0)
    errors = np.where(np.arange(n) % 3, np.linspace(0, 40, n), np.inf)
    for transform in (np.diag([1.5, 1.5, 1]), np.diag([0.7, 0.7, 1])):
        motion = correspondences.Motion.at(transform, one.a)
        compiled = one.count_places(errors, tolerances), motion.share_by_chance(one, tolerances)
        with monkeypatch.context() as patch:
            without_kernels(patch)
            assert compiled == (one.count_places(errors, tolerances), motion.share_by_chance(one, tolerances))


def crowded_hypotheses(turn, log_scale):
    """Return hypotheses whose positions agree with any of them: within a pixel, only angle and scale decide."""
    n = len(turn)
    xy = np.random.default_rng(5).uniform(0, 1, (4, n))
    direction = np.stack([np.cos(turn), np.sin(turn)])
    columns = np.concatenate([xy, np.exp(log_scale) * direction, direction])
    return columns.astype(np.float32), log_scale.astype(np.float32)


def test_hypotheses_whose_angles_differ_by_more_than_the_limit_are_not_counted(monkeypatch):
    degrees = np.random.default_rng(6).uniform(-60, 60, 300)
    columns = crowded_hypotheses(np.radians(degrees), np.zeros(300))
    compiled = hypotheses.count_agreeing(*columns)
    assert_array_equal(compiled, np.count_nonzero(np.abs(degrees[:, None] - degrees) <= 30, axis=1))
    without_kernels(monkeypatch)
    assert_array_equal(compiled, hypotheses.count_agreeing(*columns))


def test_hypotheses_whose_scales_differ_by_more_than_the_limit_are_not_counted(monkeypatch):
    log_scale = np.random.default_rng(7).uniform(-1, 1, 300) * correspondences.MAX_LOG_SCALE
    columns = crowded_hypotheses(np.zeros(300), log_scale)
    compiled = hypotheses.count_agreeing(*columns)
    distance = np.abs(log_scale[:, None] - log_scale)
    assert_array_equal(compiled, np.count_nonzero(distance <= correspondences.MAX_LOG_SCALE, axis=1))
    without_kernels(monkeypatch)
    assert_array_equal(compiled, hypotheses.count_agreeing(*columns))


def test_the_agreement_is_that_of_numpy(monkeypatch):
    compiled = hypotheses.find_agreement(matches())
    without_kernels(monkeypatch)
    plain = hypotheses.find_agreement(matches())
    assert_array_equal(compiled.inlier, plain.inlier)
    assert_allclose(compiled.motion.b_from_a, plain.motion.b_from_a, atol=1e-9)
    assert compiled.significance == pytest.approx(plain.significance)


_DIGEST = """
import hashlib
import numpy as np
from classicvision._native import match
rng = np.random.default_rng(0)
a, b = (rng.integers(0, 256, (n, 128), np.uint8) for n in (700, 1300))
parts = [match.root_bytes(a), *match.nearest_two(match.root_bytes(a), match.root_bytes(b))]
columns = rng.uniform(-1, 1, (8, 300)).astype(np.float32)
parts.append(match.count_agreeing(columns, columns[0].copy(), tip=0.3, cone=0.1, least_cosine=0.0, most_log_scale=0.5))
points = rng.uniform(0, 400, (50, 2))
parts.append(match.find_moments(points, points**1.02))
parts.append(match.fit_homography(points, points**1.02, np.eye(3), n_steps=8, settled=1e-6))
errors = match.find_errors((points, points**1.02), columns[:2, :50].astype(float), np.eye(3), (0.0, 0.0), (0.5, 0.5))
parts += [errors, match.count_places(errors, np.arange(50, dtype=np.int32) // 2, np.array([1.0, 9.0, 99.0]))]
print(hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest())
"""


def test_every_instruction_set_gives_the_same_bits(checkout):
    digests = set()
    for isa in ("portable", "v3", "v4"):
        environment = os.environ | {"CLASSICVISION_ISA": isa, "PYTHONPATH": str(checkout)}
        done = subprocess.run([sys.executable, "-c", _DIGEST], env=environment, capture_output=True, text=True)
        if "SettingsError" not in done.stderr:
            digests.add(done.stdout or done.stderr)
    assert len(digests) == 1


def test_arrays_of_wrong_lengths_types_and_widths_are_refused():
    a, b = sift_like(3, 0), sift_like(4, 1)
    rows, squared = [np.zeros((n, 2), np.int32) for n in (3, 4)], [np.zeros((n, 2), np.float32) for n in (3, 4)]
    good = (a, b, rows[0], squared[0], rows[1], squared[1])
    kernels.nearest_two(*good)
    wrong = [
        (0, a[:2]),
        (1, b[:, :5].copy()),
        (2, rows[1]),
        (3, squared[0][:, :1].copy()),
        (4, rows[1].astype(np.int64)),
    ]
    for place, array in wrong:
        with pytest.raises((ValueError, BufferError)):
            kernels.nearest_two(*good[:place], array, *good[place + 1 :])
    with pytest.raises(ValueError, match="at most 256"):
        kernels.nearest_two(np.zeros((1, 257), np.uint8), np.zeros((1, 257), np.uint8), *good[2:])
    with pytest.raises(ValueError, match="points"):
        kernels.fit_homography(np.zeros((0, 2)), np.zeros((0, 2)), 8, 1e-6, np.eye(3))
    with pytest.raises(ValueError, match="points"):
        kernels.find_moments(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((6, 2)))
    with pytest.raises(ValueError, match="numbered"):
        kernels.count_places(np.zeros(2), np.array([0, 2], np.int32), np.ones(1), np.zeros(1, np.int32))
    with pytest.raises(ValueError, match="roots"):
        kernels.root_bytes(a, np.zeros((2, 128), np.uint8))


def refuses(kernel, good, wrong):
    kernel(*good)
    for place, array in wrong:
        with pytest.raises((ValueError, BufferError)):
            kernel(*good[:place], array, *good[place + 1 :])


def test_columns_and_counts_of_wrong_lengths_are_refused():
    columns, log_scale, counts = np.zeros((8, 5), np.float32), np.zeros(5, np.float32), np.zeros(5, np.int32)
    wrong = [
        (0, columns[:7].copy()),
        (0, columns[:, :4].copy()),
        (0, np.asfortranarray(columns)),
        (1, log_scale[:4]),
        (1, np.zeros(10, np.float32)[::2]),
        (6, np.zeros(6, np.int32)),
        (6, counts.astype(np.int64)),
    ]
    refuses(kernels.count_agreeing, (columns, log_scale, 1.0, 1.0, 0.0, 1.0, counts), wrong)


def test_points_and_frames_of_wrong_lengths_are_refused():
    points, column, h = np.zeros((5, 2)), np.zeros(5), np.eye(3)
    read_only = np.zeros(5)
    read_only.flags.writeable = False
    wrong = [
        *((place, points[:4]) for place in (0, 1)),
        *((place, np.zeros((5, 3))) for place in (0, 1)),
        *((place, column[:4]) for place in (2, 3, 9)),
        (4, np.zeros((3, 2))),
        (4, np.zeros((2, 3))),
        (9, read_only),
    ]
    refuses(kernels.find_errors, (points, points, column, column, h, 0.0, 1.0, 0.0, 1.0, column.copy()), wrong)
    wrong = [(0, points[:, :1].copy()), (1, points[:4]), (1, np.zeros((5, 3))), (4, np.zeros((3, 2))), (4, h[:2])]
    refuses(kernels.fit_homography, (points, points, 1, 1e-6, h.copy()), wrong)
    wrong = [(0, points[:, :1].copy()), (1, points[:4]), (1, np.zeros((5, 3))), (2, np.zeros((5, 2))), (2, h.copy())]
    refuses(kernels.find_moments, (points, points, np.zeros((6, 2))), wrong)


def test_postings_of_wrong_lengths_and_words_without_a_list_are_refused():
    offsets, signatures = np.array([0, 1, 3]), np.zeros(3, np.int64)
    words, queries = np.array([0, 1], np.int32), np.zeros(2, np.int64)
    wrong = [
        (0, np.zeros(0, np.int64)),
        (0, offsets[:2]),  # the second word has no end
        (1, signatures[:2]),
        (2, words[:1]),
        (2, np.array([0, 2], np.int32)),
        (2, np.array([0, -1], np.int32)),
        (3, np.zeros(4, np.int64)[::2]),
    ]
    refuses(kernels.find_near_postings, (offsets, signatures, words, queries, 64), wrong)
