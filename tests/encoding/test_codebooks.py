"""The contract of `encoding/codebook`, for every encoder of local features in several configurations."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from classicvision.config import from_dict, to_dict
from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.fisher import FisherSettings
from classicvision.encoding.llc import LlcSettings
from classicvision.encoding.vlad import VladSettings
from classicvision.errors import SettingsError
from classicvision.features.local import LocalFeatures

PYRAMID = ("1x1", "2x2", "3x1")

SETTINGS = {
    "bovw": BovwSettings(n_words=7),
    "bovw-soft": BovwSettings(n_words=7, assignment="soft"),
    "bovw-idf-pyramid": BovwSettings(n_words=30, tf_idf=True, cells=PYRAMID),
    "bovw-chi2-pyramid": BovwSettings(n_words=7, normalization="chi2", cells=PYRAMID, normalize_cells=True),
    "bovw-l2-pyramid": BovwSettings(n_words=7, normalization="l2", cells=PYRAMID),
    "bovw-l1-pyramid-mirror": BovwSettings(n_words=7, normalization="l1", cells=PYRAMID, mirror=True),
    "bovw-l2-mirror": BovwSettings(n_words=7, normalization="l2", mirror=True),
    "llc": LlcSettings(n_words=7),
    "llc-sum-pyramid": LlcSettings(n_words=7, pooling="sum", root_sift=False, cells=PYRAMID),
    "llc-pyramid-mirror": LlcSettings(n_words=7, cells=PYRAMID, normalize_cells=True, mirror=True),
    "vlad": VladSettings(n_words=7, n_dims=16),
    "vlad-pyramid-mirror": VladSettings(n_words=3, n_dims=5, intra_norm=False, cells=PYRAMID, mirror=True),
    "fisher": FisherSettings(n_components=5, n_dims=16),
    "fisher-pyramid": FisherSettings(n_components=3, n_dims=4, xy=False, whiten=True, root_sift=False, cells=PYRAMID),
    "fisher-pyramid-mirror": FisherSettings(
        n_components=3, n_dims=4, power=0.7, intra_norm=True, cells=PYRAMID, mirror=True
    ),
}
SIZE = (40, 60)

every_encoder = pytest.mark.parametrize("name", SETTINGS)


def random_features(seed, n=40):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, [SIZE[1] - 1, SIZE[0] - 1], (n, 2))
    descriptors = rng.integers(0, 80, (n, 128), dtype=np.uint8)
    return LocalFeatures(xy, np.ones(n), np.zeros(n), np.ones(n), descriptors, SIZE)


items = [random_features(seed) for seed in range(4)]


@dataclass
class Counting:
    """Items that count how often each is read."""

    n_reads: np.ndarray

    def __len__(self):
        return len(items)

    def __getitem__(self, row):
        if row >= len(items):
            raise IndexError(row)
        self.n_reads[row] += 1
        return items[row]


@cache
def learned(name):
    return SETTINGS[name].learn(items, np.random.default_rng(0))


@every_encoder
def test_an_image_without_keypoints_has_a_code_of_zeros(name):
    codebook = learned(name)
    code = codebook.encode(LocalFeatures.empty(SIZE))
    assert code.dtype == np.float32
    assert_array_equal(code, np.zeros(codebook.n_outputs))


@every_encoder
def test_codes_of_training_images_have_the_norm_of_their_normalization(name):
    order = 1 if "-l1-" in name else 2
    assert_allclose(np.linalg.norm(learned(name).encode_all(items), order, axis=1), 1, rtol=1e-5)


@every_encoder
@settings(deadline=None)
@given(seed=st.integers(0, 999))
def test_the_order_of_keypoints_does_not_matter(name, seed):
    image = random_features(seed)
    shuffled = image[np.random.default_rng(seed).permutation(len(image))]
    atol = 1e-5 if name.startswith("fisher") else 1e-6  # Fisher vectors are roots of sums of float32
    assert_allclose(learned(name).encode(shuffled), learned(name).encode(image), atol=atol)


@every_encoder
def test_codes_of_many_images_are_the_codes_of_each(name):
    codebook = learned(name)
    images = [random_features(7), LocalFeatures.empty(SIZE), random_features(8, 3)]
    codes = codebook.encode_all(images)
    assert codes.dtype == np.float32
    assert codes.shape == (3, codebook.n_outputs)
    assert_array_equal(codes, [codebook.encode(image) for image in images])


@every_encoder
def test_no_images_have_no_codes(name):
    assert learned(name).encode_all([]).shape == (0, learned(name).n_outputs)


@every_encoder
def test_images_are_read_once_to_encode_and_at_most_twice_to_learn(name):
    counting = Counting(np.zeros(len(items), int))
    codebook = SETTINGS[name].learn(counting, np.random.default_rng(0))
    assert (counting.n_reads <= 2).all()
    before = counting.n_reads.copy()
    codebook.encode_all(counting)
    assert_array_equal(counting.n_reads - before, 1)


@every_encoder
def test_one_image_with_enough_descriptors_is_enough_to_learn_from(name):
    codebook = SETTINGS[name].learn(items[:1], np.random.default_rng(0))
    assert codebook.encode_all(items).shape == (len(items), codebook.n_outputs)


@every_encoder
def test_a_seed_gives_identical_results_for_any_number_of_threads(name):
    codes = []
    for n_threads in (1, 4):
        with threadpool_limits(n_threads):
            codes.append(SETTINGS[name].learn(items, np.random.default_rng(5)).encode_all(items))
    assert_array_equal(*codes)


@every_encoder
def test_every_component_of_a_code_has_its_own_name(name):
    names = learned(name).feature_names()
    assert len(set(names)) == len(names) == learned(name).n_outputs == len(learned(name).encode(items[0]))


@pytest.mark.parametrize("name", [name for name in SETTINGS if name.endswith("mirror")])
def test_with_the_mirror_sum_an_image_and_its_mirror_image_have_the_same_code(name):
    assert_allclose(learned(name).encode(items[0].mirrored()), learned(name).encode(items[0]), atol=1e-6)


@pytest.mark.parametrize("name", [name for name in SETTINGS if "pyramid" in name])
def test_each_component_of_a_pyramid_is_named_after_its_cell(name):
    names = np.array(learned(name).feature_names())
    right = items[0][items[0].xy[:, 0] > (SIZE[1] - 1) / 2]
    filled = {re.match(r"cell_\dx\d_\d_\d", each)[0] for each in names[learned(name).encode(right) != 0]}
    both = {"cell_2x2_0_0", "cell_2x2_1_0"} if SETTINGS[name].mirror else set()
    assert filled == {"cell_1x1_0_0", "cell_2x2_0_1", "cell_2x2_1_1", *(f"cell_3x1_{i}_0" for i in range(3)), *both}


# --- arrays and settings


@every_encoder
def test_a_codebook_survives_the_round_trip_through_arrays(name):
    again = SETTINGS[name].restore(learned(name).to_arrays())
    assert_array_equal(again.encode_all(items), learned(name).encode_all(items))


@every_encoder
def test_arrays_of_a_codebook_are_read_only_and_of_float32(name):
    for array in learned(name).to_arrays().values():
        assert array.dtype == np.float32
        assert not array.flags.writeable


@every_encoder
@pytest.mark.parametrize(
    "damage",
    [
        lambda array: None,  # missing
        lambda array: array[..., :-1],
        lambda array: array.astype(np.float64),
        lambda array: np.where(np.arange(array.size).reshape(array.shape) == 1, np.nan, array).astype(np.float32),
    ],
    ids=["missing", "short", "float64", "nan"],
)
def test_arrays_that_do_not_fit_the_settings_are_refused(name, damage):
    good = learned(name).to_arrays()
    for key in good:
        wrong = {other: array for other, array in good.items() if other != key}
        damaged = damage(good[key])
        with pytest.raises(ValueError, match=key):
            SETTINGS[name].restore(wrong if damaged is None else wrong | {key: damaged})


@every_encoder
def test_settings_survive_the_round_trip_through_toml(name):
    text = tomli_w.dumps(to_dict(SETTINGS[name]))
    assert from_dict(type(SETTINGS[name]), tomllib.loads(text)) == SETTINGS[name]


@pytest.mark.parametrize("make", sorted({type(settings) for settings in SETTINGS.values()}, key=str))
@pytest.mark.parametrize("cells", [(), ("2",), ("2x2", "2x2")])
def test_invalid_grids_are_refused(make, cells):
    with pytest.raises(SettingsError, match="cells"):
        make(cells=cells)
