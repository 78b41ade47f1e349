"""Dense SIFT through its public interface; every fact holds for both engines."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data

from classicvision import _native
from classicvision.config import fingerprint
from classicvision.errors import SettingsError
from classicvision.features.dense import DenseSift
from classicvision.images import enlarge, to_gray

ENGINES = [
    "reference",
    pytest.param("native", marks=pytest.mark.skipif(not _native.native_available(), reason="no compiled kernels")),
]
every_engine = pytest.mark.parametrize("engine", ENGINES)


def photograph(height=150, width=180):
    return data.astronaut()[60 : 60 + height, 100 : 100 + width]


@every_engine
def test_a_uniform_image_has_no_patches_unless_all_are_kept(engine):
    gray = np.full((60, 60), 77, np.uint8)
    assert len(DenseSift(engine=engine)(gray)) == 0
    every = DenseSift(engine=engine, contrast=0.0)(gray)
    assert len(every) > 0
    assert_array_equal(every.descriptors, 0)
    assert_array_equal(every.response, 0)


@every_engine
def test_an_image_smaller_than_a_patch_has_no_descriptors(engine):
    for shape in [(1, 1), (4, 400), (12, 12)]:
        features = DenseSift(engine=engine, contrast=0.0, bin_sizes=(4,))(np.zeros(shape, np.uint8))
        assert len(features) == 0
        assert features.image_size == shape


@every_engine
def test_centres_of_a_larger_size_are_centres_of_the_smaller_ones_too(engine):
    features = DenseSift(engine=engine, step=5, bin_sizes=(4, 8), contrast=0.0)(photograph())
    small, large = (set(map(tuple, features[features.scale == np.float32(size / 3)].xy)) for size in (4, 8))
    assert large < small


@every_engine
def test_patches_of_low_contrast_are_dropped_and_the_others_are_unchanged(engine):
    every, strong = (DenseSift(engine=engine, contrast=contrast)(photograph()) for contrast in (0.0, 0.05))
    kept = every.response >= np.float32(0.05)
    assert 0 < kept.sum() < len(every)
    assert_array_equal(strong.xy, every.xy[kept])
    assert_array_equal(strong.descriptors, every.descriptors[kept])


@every_engine
def test_the_response_of_a_ramp_is_the_one_computed_by_hand(engine):
    ramp = np.tile(2 * np.arange(40, dtype=np.uint8), (40, 1))
    features = DenseSift(engine=engine, bin_sizes=(4,), contrast=0.0, magnification=100.0, window=1e6)(ramp)
    # 16 cells, each with 2 grey levels per pixel over an area of 16: a norm of 4 * 32, over 16 * 255.
    assert_allclose(features.response, 4 * 32 / (16 * 255), rtol=1e-4)
    # One equal bin per cell: 512 / 4.
    cells = features.descriptors.reshape(-1, 16, 8)
    assert_array_equal(cells[..., 0], 128)
    assert_array_equal(cells[..., 1:], 0)


@every_engine
def test_a_brighter_image_of_more_contrast_has_the_same_descriptors(engine):
    gray = to_gray(photograph()) // 4
    plain, bright = (DenseSift(engine=engine, contrast=0.0)(image) for image in (gray, 30 + 3 * gray))
    assert_allclose(bright.response, 3 * plain.response, rtol=1e-3, atol=1e-5)
    clear = plain.response > 0.01
    difference = bright.descriptors[clear].astype(int) - plain.descriptors[clear]
    assert np.abs(difference).max() <= 1


@every_engine
def test_a_colour_image_and_its_grey_version_have_the_same_descriptors(engine):
    a, b = (DenseSift(engine=engine)(image) for image in (photograph(), to_gray(photograph())))
    assert_array_equal(a.descriptors, b.descriptors)


@every_engine
def test_strides_do_not_matter(engine):
    gray = to_gray(photograph())
    a, b = (DenseSift(engine=engine)(image) for image in (gray[::-2, ::3], gray[::-2, ::3].copy()))
    assert_array_equal(a.descriptors, b.descriptors)


@every_engine
def test_a_shrunk_image_is_described_in_the_frame_of_the_large_one(engine):
    large = DenseSift(engine=engine, max_side=90, contrast=0.0)(photograph())
    small = DenseSift(engine=engine, contrast=0.0)(np.asarray(cv2.resize(photograph(), (90, 75), interpolation=3)))
    assert_allclose(large.xy, 2 * (small.xy + 0.5) - 0.5)
    assert_allclose(large.scale, 2 * small.scale)
    assert_array_equal(large.descriptors, small.descriptors)
    assert large.image_size == (150, 180)


def test_a_small_image_is_enlarged_to_the_least_side():
    features = DenseSift(min_side=360, bin_sizes=(6,), step=6, contrast=0.0)(photograph())
    assert_allclose(np.diff(np.unique(features.xy[:, 0])), 3, atol=1e-5)
    assert_allclose(features.scale, 1)


def test_an_image_is_enlarged_by_a_factor_and_described_in_its_own_frame():
    features = DenseSift(enlarge=1.5, bin_sizes=(6,), step=6, contrast=0.0)(photograph())
    larger = DenseSift(bin_sizes=(6,), step=6, contrast=0.0)(enlarge(photograph(), 270))
    assert_array_equal(features.descriptors, larger.descriptors)
    assert_allclose(np.diff(np.unique(features.xy[:, 0])), 4, atol=1e-5)
    assert features.image_size == (150, 180)


@pytest.mark.parametrize(("max_side", "side"), [(None, 270), (300, 270), (200, 200), (180, 180), (90, 90)])
def test_an_image_is_not_enlarged_beyond_the_largest_side(max_side, side):
    sized = DenseSift(min_side=side, max_side=side, contrast=0.0)(photograph())
    features = DenseSift(enlarge=1.5, max_side=max_side, contrast=0.0)(photograph())
    assert_array_equal(features.descriptors, sized.descriptors)


def test_the_larger_of_enlarge_and_min_side_applies():
    for settings in ({"enlarge": 2.0, "min_side": 300}, {"enlarge": 1.2, "min_side": 360}):
        assert_array_equal(
            DenseSift(**settings)(photograph()).descriptors, DenseSift(min_side=360)(photograph()).descriptors
        )


def test_an_image_between_both_limits_keeps_its_size():
    plain, limited = (DenseSift(**sides)(photograph()) for sides in ({}, {"min_side": 100, "max_side": 200}))
    assert_array_equal(plain.xy, limited.xy)
    assert_array_equal(plain.descriptors, limited.descriptors)


def test_descriptors_resemble_those_of_opencv_for_upright_keypoints_of_the_same_scale():
    gray = to_gray(photograph())
    features = DenseSift(step=7, bin_sizes=(6,), magnification=1e3, contrast=0.02, engine="reference")(gray)
    middle = (np.abs(features.xy - (90, 75)) < (60, 45)).all(axis=1)
    keypoints = [cv2.KeyPoint(float(x), float(y), 2 * 6 / 3, 0.0) for x, y in features.xy[middle]]
    _, theirs = cv2.SIFT_create().compute(gray, keypoints)
    a, b = features.descriptors[middle].astype(float), theirs.astype(float)
    cosine = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    # OpenCV blurs more and weights single pixels; another order of cells or directions would be far lower.
    assert cosine.mean() > 0.9


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step": 0}, "step is 0"),
        ({"bin_sizes": ()}, r"bin_sizes is \(\)"),
        ({"bin_sizes": (4, 0)}, "bin_sizes"),
        ({"bin_sizes": (257,)}, "bin_sizes"),
        ({"bin_sizes": (4, 4)}, "different"),
        ({"contrast": -0.1}, "contrast is -0.1"),
        ({"magnification": 0.5}, "magnification is 0.5"),
        ({"window": 0.0}, "window is 0.0"),
        ({"min_side": 0}, "min_side is 0"),
        ({"enlarge": 0.5}, "enlarge is 0.5; it must be from 1 to 16"),
        ({"enlarge": 17}, "enlarge is 17"),
        ({"min_side": 500, "max_side": 400}, "min_side is 500; it must be at most max_side, 400"),
        ({"engine": "opencv"}, "engine is 'opencv'"),
    ],
)
def test_a_setting_out_of_range_is_named_with_its_value(change, words):
    with pytest.raises(SettingsError, match=words):
        DenseSift(**change)


def test_every_setting_is_part_of_the_fingerprint():
    plain = DenseSift(engine="reference")
    changes = [
        {"step": 5},
        {"bin_sizes": (4, 6)},
        {"contrast": 0.0},
        {"magnification": 3.0},
        {"window": 1.5},
        {"min_side": 300},
        {"max_side": 300},
    ]
    assert len({fingerprint(replace(plain, **change)) for change in [{}, *changes]}) == len(changes) + 1


def test_a_float_image_is_refused():
    with pytest.raises(TypeError, match="array of float64"):
        DenseSift()(np.zeros((9, 9)))


def test_settings_made_without_kernels_name_the_reference(monkeypatch):
    monkeypatch.setattr(_native, "_LOADED", None)
    assert DenseSift().engine == "reference"
    assert DenseSift(engine="native").runnable() == DenseSift(engine="reference")
    with pytest.raises(SettingsError, match="without compiled kernels"):
        DenseSift(engine="native")(photograph())
