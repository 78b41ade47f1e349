"""Features as few bytes: the loss is as small as documented."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.archive import pack_arrays
from classicvision.features.local import LocalFeatures
from classicvision.index.catalogue import Catalogue
from classicvision.index.packed_features import pack_features, unpack_features


@given(seed=st.integers(0, 1000), sides=st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)))
def test_the_loss_is_less_than_documented(make_features, seed, sides):
    features = make_features(40, seed, sides)
    again = unpack_features(pack_features(features))
    assert again.image_size == sides
    assert np.abs(again.xy - features.xy).max() <= max(sides) / 131_000 + 1e-6 * max(sides)
    rotated = np.abs(again.angle - features.angle)
    assert np.minimum(rotated, 2 * np.pi - rotated).max() < 5e-5
    assert_allclose(again.scale, features.scale, rtol=5e-4)
    assert_allclose(again.response, features.response, rtol=5e-4)
    assert_array_equal(again.descriptors, features.descriptors)
    assert again.angle.max() < 2 * np.pi


def test_no_keypoints_come_back_as_no_keypoints():
    again = unpack_features(pack_features(LocalFeatures.empty((7, 9))))
    assert len(again) == 0
    assert again.image_size == (7, 9)


def test_a_thousand_keypoints_take_138_bytes_each_and_little_more(make_features):
    assert len(pack_arrays(pack_features(make_features(1000, 0)))) < 1000 * 138 + 1000


@pytest.mark.parametrize("name", ["image_size", "position", "scale", "angle", "response", "descriptors"])
def test_an_array_that_is_missing_or_of_another_type_is_named(make_features, name):
    arrays = pack_features(make_features(3, 0))
    for wrong in (None, arrays[name].astype(np.float64)):
        with pytest.raises(ValueError, match=name):
            unpack_features({key: value for key, value in (arrays | {name: wrong}).items() if value is not None})


@pytest.mark.parametrize("name", ["image_size", "position", "scale", "angle", "response", "descriptors"])
@pytest.mark.parametrize("shape", [(), (4,), (0, 3, 3)])
def test_an_array_of_another_shape_is_refused(make_features, name, shape):
    arrays = pack_features(make_features(3, 0))
    with pytest.raises(ValueError, match=r".+"):
        unpack_features(arrays | {name: np.zeros(shape, arrays[name].dtype)})


def test_an_image_without_a_pixel_is_refused(make_features):
    arrays = pack_features(make_features(3, 0))
    with pytest.raises(ValueError, match="differ in length"):
        unpack_features(arrays | {"image_size": np.array([-5, 4])})


@pytest.mark.parametrize("shape", [(), (2, 2, 2)])
def test_a_column_of_a_catalogue_of_another_shape_is_refused(shape):
    arrays = Catalogue.of([], [], "/").to_arrays()
    for name, column in arrays.items():
        with pytest.raises(ValueError, match="column"):
            Catalogue.from_arrays(arrays | {name: np.zeros(shape, column.dtype)})
