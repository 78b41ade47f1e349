from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data

from classicvision._native import native_available
from classicvision.config import fingerprint, from_dict, to_dict
from classicvision.errors import SettingsError
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift, _in_order, trace
from classicvision.features.sift_trace import wrap_angles
from classicvision.images import read_image, to_gray

REFERENCE, OPENCV, NATIVE = Sift(engine="reference"), Sift(engine="opencv"), Sift(engine="native")
ENGINES = [OPENCV, REFERENCE] + [NATIVE] * native_available()
COLUMNS = ["xy", "scale", "angle", "response", "descriptors"]

all_engines = pytest.mark.parametrize("sift", ENGINES, ids=lambda sift: sift.engine)


def assert_equal_features(a: LocalFeatures, b: LocalFeatures) -> None:
    for name in COLUMNS:
        assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def pair_up(a: LocalFeatures, b: LocalFeatures, xy: float, scale: float, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of a and the nearest row of b for each, within these pixels, relative scale and radians."""
    distance = np.linalg.norm(a.xy[:, None].astype(float) - b.xy, axis=2)
    turn = np.abs((a.angle[:, None].astype(float) - b.angle + np.pi) % (2 * np.pi) - np.pi)
    is_near = (distance < xy) & (np.abs(b.scale / a.scale[:, None] - 1) < scale) & (turn < angle)
    rows = np.flatnonzero(is_near.any(axis=1))
    return rows, np.where(is_near, distance + turn, np.inf)[rows].argmin(axis=1)


def rotated(features: LocalFeatures, turns: int) -> LocalFeatures:
    """Rotate keypoints as np.rot90 rotates a square image, anticlockwise on the screen."""
    xy, last = features.xy.astype(float), features.image_size[1] - 1
    for _ in range(turns):
        xy = np.column_stack([xy[:, 1], last - xy[:, 0]])
    return replace(features, xy=xy, angle=np.mod(features.angle - turns * np.pi / 2, 2 * np.pi))


def check_agreement(image: np.ndarray) -> None:
    opencv, reference = OPENCV(image), REFERENCE(image)
    rows, partners = pair_up(opencv, reference, xy=1, scale=0.1, angle=np.radians(10))
    assert len(rows) / len(opencv) > 0.99
    a, b = opencv.descriptors[rows].astype(float), reference.descriptors[partners].astype(float)
    cosine = np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    assert cosine.mean() > 0.999
    assert abs(len(reference) / len(opencv) - 1) < 0.01


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee"])
def test_the_reference_finds_99_percent_of_opencvs_keypoints_on_photographs(name):
    check_agreement(getattr(data, name)())


def test_the_reference_finds_99_percent_of_opencvs_keypoints_on_an_oxford_pair(shared):
    for name in ("img1.png", "img2.png"):
        check_agreement(read_image(shared / "data" / "oxford_affine" / "leuven" / name)[:400, :500])


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("name", ["camera", "grass"])
def test_a_rotated_image_of_257_pixels_has_the_rotated_keypoints(name, turns):
    image = getattr(data, name)()[100:357, 100:357]
    upright, found = REFERENCE(image), REFERENCE(np.rot90(image, turns))
    rows, _ = pair_up(rotated(upright, turns), found, xy=1e-3, scale=1e-3, angle=1e-3)
    assert len(rows) > 0.8 * len(upright)
    # The four borders are not treated alike; 8 sigma away they have no influence.
    far = np.minimum(upright.xy, 256 - upright.xy).min(axis=1) > 8 * upright.scale
    assert np.isin(np.flatnonzero(far), rows).all()
    assert far.sum() > 80


@pytest.mark.parametrize("name", ["camera", "grass"])
def test_a_rotated_image_of_any_size_has_the_rotated_small_keypoints(name):
    image = getattr(data, name)()[:300, :300]
    upright, found = REFERENCE(image), REFERENCE(np.rot90(image))
    rows, _ = pair_up(rotated(upright, 1), found, xy=1e-3, scale=1e-3, angle=1e-3)
    # From the third octave on, an even number of samples is subsampled from one side.
    far = np.minimum(upright.xy, 299 - upright.xy).min(axis=1) > 8 * upright.scale
    assert np.isin(np.flatnonzero(far & (upright.scale < 3)), rows).all()


@all_engines
@pytest.mark.parametrize("size", [(300, 300), (299, 299)])
def test_rotation_by_180_degrees_shows_no_shift(sift, size):
    image = data.astronaut()[: size[0], : size[1]]
    upright, found = rotated(sift(image), 2), sift(np.rot90(image, 2))
    rows, partners = pair_up(upright, found, xy=3, scale=0.1, angle=0.2)
    shift = upright.xy[rows] - found.xy[partners]
    assert np.abs(np.median(shift, axis=0)).max() < 0.02


@all_engines
@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (60, 1), (2, 2), (3, 3), (12, 12), (33, 17), (4, 400), (90, 90)])
@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_uniform_image_of_any_size_has_no_keypoints(sift, shape, level):
    features = sift(np.full((*shape, 3), level, np.uint8))
    assert len(features) == 0
    assert features.descriptors.shape == (0, 128)
    assert features.image_size == shape


@all_engines
@settings(deadline=None, max_examples=25)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 99))
def test_keypoints_lie_in_the_image_and_all_columns_in_their_ranges(sift, height, width, seed):
    features = sift(np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8))
    assert np.all((features.xy >= 0) & (features.xy <= (width - 1, height - 1)))
    assert np.all((features.angle >= 0) & (features.angle < 2 * np.pi))
    assert np.all(features.scale > 0)
    assert np.all(features.response * 3 >= np.float32(0.04))


@all_engines
def test_keypoints_come_strongest_first_and_none_twice(sift):
    features = sift(data.gravel()[:200, :200])
    assert np.all(np.diff(features.response) <= 0)
    frames = np.column_stack([features.xy, features.scale, features.angle])
    assert len(np.unique(frames, axis=0)) == len(frames) > 300


@all_engines
def test_the_strongest_n_are_the_first_n_of_all(sift):
    image = data.astronaut()[:150, :150]
    assert_equal_features(replace(sift, max_features=30)(image), sift(image)[:30])


@all_engines
def test_max_features_with_spread_keeps_spread_keypoints(sift):
    image = data.camera()[:128, :128]
    assert_equal_features(replace(sift, max_features=30, spread=True)(image), sift(image).spread(30))


def test_the_trace_obeys_max_features_and_spread():
    sift = Sift(engine="reference", max_features=30, spread=True)
    image = data.camera()[:128, :128]
    assert_equal_features(trace(image, sift).features, sift(image))


@all_engines
def test_no_state_is_kept_between_images(sift):
    image = data.astronaut()[:150, :150]
    first = sift(image)
    sift(data.camera()[:40, :60])
    assert_equal_features(sift(image), first)


@all_engines
def test_colour_is_converted_to_luma(sift):
    image = data.astronaut()[:150, :150]
    assert_equal_features(sift(image), sift(to_gray(image)))


@all_engines
def test_the_memory_layout_does_not_matter(sift):
    image = data.astronaut()[:100, :120]
    assert_equal_features(sift(image[:, ::-1]), sift(image[:, ::-1].copy()))


@all_engines
def test_only_keypoints_under_the_mask_are_kept(sift):
    image = data.astronaut()[:150, :150]
    mask = np.zeros((150, 150), np.uint8)
    mask[:, 75:] = 1
    everywhere = sift(image)
    assert_equal_features(sift(image, mask), everywhere[np.rint(everywhere.xy[:, 0]) >= 75])


@all_engines
def test_max_features_counts_keypoints_under_the_mask(sift):
    image = data.astronaut()[:150, :150]
    mask = np.zeros((150, 150), bool)
    mask[:, 75:] = True
    assert_equal_features(replace(sift, max_features=5)(image, mask), sift(image, mask)[:5])


@all_engines
def test_keypoints_of_a_shrunk_image_are_in_the_frame_of_the_image(sift):
    image = data.camera()[:200, :300]
    doubled = image.repeat(2, axis=0).repeat(2, axis=1)
    small, large = sift(image), replace(sift, max_side=300)(doubled)
    assert large.image_size == (400, 600)
    assert_allclose(large.xy, (small.xy + 0.5) * 2 - 0.5, rtol=1e-6)
    assert_allclose(large.scale, 2 * small.scale, rtol=1e-6)
    assert_array_equal(large.descriptors, small.descriptors)


def test_without_upsampling_the_finest_blobs_are_not_found():
    image = data.camera()[:200, :200]
    with_, without = REFERENCE(image), replace(REFERENCE, upsample=False)(image)
    assert with_.scale.min() < 1.2 < 1.6 < without.scale.min()
    rows, _ = pair_up(without, with_, xy=1, scale=0.2, angle=0.3)
    assert len(rows) > 0.8 * len(without)


def test_lowes_contrast_threshold_is_0_09_and_keeps_fewer():
    image = data.astronaut()[:200, :200]
    lowe = replace(REFERENCE, contrast=0.09)(image)
    assert 0 < len(lowe) < len(REFERENCE(image))
    assert lowe.response.min() >= np.float32(0.03)


def test_angles_just_below_a_full_turn_do_not_become_one_as_float32():
    assert_array_equal(wrap_angles(np.array([np.nextafter(2 * np.pi, 0), -1e-12, 2 * np.pi, 1])), [0, 0, 0, 1])


def test_the_trace_ends_with_the_features_of_the_reference_engine():
    image = data.astronaut()[:150, :150]
    steps = trace(image)
    assert_equal_features(steps.features, REFERENCE(image))
    assert_array_equal(steps.gray, to_gray(image))
    assert len(steps.candidates) > len(steps.refined) > len(steps.strong) > len(steps.kept) > 0


def test_the_trace_of_a_shrunk_image_is_in_the_frame_of_its_grey_one():
    steps = trace(data.camera(), Sift(max_side=128, max_features=10))
    assert steps.gray.shape == steps.features.image_size == (128, 128)
    assert len(steps.features) == 10
    assert steps.candidates.xy.max() < 128


@pytest.mark.parametrize("image", [[[0]], np.zeros((5, 5)), np.zeros((5, 5, 3), np.uint16), np.zeros((5, 5), bool)])
def test_an_image_of_another_dtype_is_refused(image):
    with pytest.raises(TypeError, match="uint8 array"):
        Sift()(image)


def test_a_path_in_place_of_an_image_is_refused_with_the_remedy():
    with pytest.raises(TypeError, match="read the file with read_image first"):
        Sift()("image.jpg")


@pytest.mark.parametrize("shape", [(5,), (0, 5), (5, 5, 2), (5, 5, 4), (5, 5, 1), (0, 0, 3), (1, 5, 5, 3)])
def test_an_image_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="RGB"):
        Sift()(np.zeros(shape, np.uint8))


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"mask has shape \(5, 5\).*\(6, 5\)"):
        Sift()(np.zeros((6, 5), np.uint8), np.ones((5, 5)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_layers", 0),
        ("sigma", 0.0),
        ("sigma", float("nan")),
        ("contrast", -0.1),
        ("edge_ratio", 0.5),
        ("edge_ratio", float("inf")),
        ("max_features", 0),
        ("max_side", 0),
        ("engine", "vlfeat"),
    ],
)
def test_an_invalid_setting_is_refused_with_its_name_and_value(name, value):
    with pytest.raises(SettingsError, match=f"{name} is {value!r}"):
        Sift(**{name: value})


def test_upsample_false_is_refused_by_the_opencv_engine():
    with pytest.raises(SettingsError, match="engine='reference'"):
        Sift(upsample=False, engine="opencv")


@pytest.mark.parametrize(("is_there", "engine"), [(True, "native"), (False, "opencv")])
def test_auto_resolves_to_the_fastest_engine_installed(is_there, engine, monkeypatch):
    monkeypatch.setattr("classicvision._native.native_available", lambda: is_there)
    assert Sift().engine == Sift(engine="auto").engine == engine
    assert to_dict(Sift())["engine"] == engine


def test_without_kernels_and_upsampling_auto_is_the_reference_engine(monkeypatch):
    monkeypatch.setattr("classicvision._native.native_available", lambda: False)
    assert Sift(upsample=False).engine == "reference"


def test_native_settings_can_be_read_but_not_used_without_kernels(monkeypatch):
    monkeypatch.setattr("classicvision._native.native_available", lambda: False)
    sift = from_dict(Sift, {"kind": "sift", "engine": "native"})
    with pytest.raises(SettingsError, match="use engine='opencv'"):
        sift(np.zeros((9, 9), np.uint8))


@pytest.mark.parametrize("is_there", [True, False])
def test_the_fast_precision_resolves_to_the_native_engine(is_there, monkeypatch):
    monkeypatch.setattr("classicvision._native.native_available", lambda: is_there)
    assert Sift(precision="fast").engine == "native"


@pytest.mark.parametrize("engine", ["opencv", "reference"])
def test_an_engine_without_the_fast_precision_is_refused(engine):
    with pytest.raises(SettingsError, match=f"engine '{engine}' does not support; use engine='native'"):
        Sift(precision="fast", engine=engine)


def test_without_kernels_fast_settings_become_exact_ones_of_another_engine(monkeypatch):
    monkeypatch.setattr("classicvision._native.native_available", lambda: False)
    sift = Sift(precision="fast", contrast=0.03)
    with pytest.raises(SettingsError, match="precision='exact'"):
        sift(np.zeros((9, 9), np.uint8))
    assert sift.runnable() == Sift(contrast=0.03, engine="opencv", precision="exact")


def test_settings_survive_the_round_trip_through_plain_values():
    sift = Sift(contrast=0.03, max_features=500, engine="reference")
    assert from_dict(Sift, to_dict(sift)) == sift


def test_every_setting_is_in_the_fingerprint():
    changes = {
        "n_layers": 4,
        "sigma": 1.5,
        "contrast": 0.03,
        "edge_ratio": 12.0,
        "upsample": False,
        "max_features": 9,
        "spread": True,
        "max_side": 99,
        "engine": "opencv",
        "precision": "fast",
    }
    assert set(changes) == {field.name for field in fields(Sift)}
    found = {fingerprint(replace(NATIVE, **{name: value})) for name, value in changes.items()}
    assert len(found | {fingerprint(NATIVE)}) == len(changes) + 1


def test_equal_responses_are_sorted_by_x_then_y_then_scale_then_angle():
    columns = np.array([[2, 1, 1, 1], [1, 2, 1, 1], [1, 1, 2, 1], [1, 1, 1, 2], [1, 1, 1, 1]], float)
    features = LocalFeatures(columns[:, :2], columns[:, 2], columns[:, 3], np.ones(5), np.zeros((5, 128)), (9, 9))
    found = _in_order(features)
    assert_array_equal(np.column_stack([found.xy, found.scale, found.angle]), columns[[4, 3, 2, 1, 0]])
