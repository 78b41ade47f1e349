"""The contract of scikit-learn's transformers where samples are images, which its own checks do not cover."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.estimators import BagOfVisualWords, FisherVector, LocalityConstrainedCoding, Vlad
from classicvision.encoding.fisher import FisherSettings
from classicvision.encoding.llc import LlcSettings
from classicvision.encoding.vlad import VladSettings
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.features.local import LocalFeatures


def features(seed, label):
    """Return an image of class 0 or 1: its descriptors are non-zero in the first or the second half."""
    descriptors = np.zeros((30, 128), np.uint8)
    half = slice(0, 64) if label == 0 else slice(64, 128)
    descriptors[:, half] = np.random.default_rng(seed).integers(0, 200, (30, 64))
    return LocalFeatures(np.zeros((30, 2)), np.ones(30), np.zeros(30), np.ones(30), descriptors, (8, 8))


y = np.tile([0, 1], 8)
items = [features(seed, label) for seed, label in enumerate(y)]


class Lazy(Sequence):
    """Items that are created when they are read; an index array gives a lazy subset."""

    def __init__(self, rows):
        self.rows = list(rows)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row):
        return items[self.rows[row]] if np.ndim(row) == 0 else Lazy(self.rows[i] for i in row)


def object_array(values):
    array = np.empty(len(values), object)
    for row, value in enumerate(values):
        array[row] = value
    return array


CONTAINERS = {"list": items, "lazy": Lazy(range(len(items))), "object array": object_array(items)}


@pytest.fixture(params=CONTAINERS)
def X(request):
    return CONTAINERS[request.param]


# Each estimator with its settings, and parameters for few descriptors.
ESTIMATORS = {
    BagOfVisualWords: (BovwSettings, {"n_words": 5}),
    LocalityConstrainedCoding: (LlcSettings, {"n_words": 5, "cells": ("1x1", "2x1")}),
    # Of one word, as residuals from the words of a class say little about the class.
    Vlad: (VladSettings, {"n_words": 1, "n_dims": 8, "n_samples": 100}),
    # After one pass, as more end in the same mixture from any start.
    FisherVector: (FisherSettings, {"n_components": 5, "n_dims": 8, "n_iterations": 1}),
}


@pytest.fixture(params=ESTIMATORS, ids=lambda estimator: estimator.__name__)
def Encoder(request):
    return request.param


@pytest.fixture
def make(Encoder):
    """Return a function that makes the estimator with parameters for few descriptors."""
    return lambda **parameters: Encoder(**ESTIMATORS[Encoder][1] | parameters)


def codes_by(estimator):
    return estimator.fit(items).transform(items)


# --- parameters


def test_parameters_are_the_settings_and_the_random_state_with_the_same_defaults(Encoder):
    defaults = {field.name: field.default for field in fields(ESTIMATORS[Encoder][0])} | {"random_state": None}
    assert Encoder().get_params() == defaults


def test_init_only_stores(Encoder):
    nonsense = dict.fromkeys(inspect.signature(Encoder).parameters, object())
    assert vars(Encoder(**nonsense)) == nonsense


def test_the_documentation_names_every_parameter(Encoder):
    for name in Encoder().get_params():
        assert name in Encoder.__doc__


def test_a_wrong_parameter_is_refused_by_fit(make):
    with pytest.raises(ValueError, match="n_samples is 0"):
        make(n_samples=0).fit(items)


def test_fit_does_not_change_the_parameters(make):
    estimator = make(random_state=0)
    before = estimator.get_params()
    estimator.fit(items)
    assert estimator.get_params() == before


def test_clone_copies_the_parameters_but_not_the_codebook(make):
    estimator = make(random_state=0).fit(items)
    copy = clone(estimator)
    assert copy.get_params() == estimator.get_params()
    assert not hasattr(copy, "codebook_")


# --- fit and transform


def test_fit_returns_the_estimator_and_learns_what_the_settings_learn(Encoder, make):
    settings, parameters = ESTIMATORS[Encoder]
    estimator = make(random_state=3)
    assert estimator.fit(items) is estimator
    expected = settings(**parameters).learn(items, np.random.default_rng(3))
    for name, array in expected.to_arrays().items():
        assert_array_equal(estimator.codebook_.to_arrays()[name], array)
    assert_array_equal(estimator.transform(items), expected.encode_all(items))


def test_fit_twice_is_the_last_fit(make):
    estimator = make(random_state=0).fit(items)
    estimator.set_params(n_samples=90).fit(items[::2])
    expected = make(n_samples=90, random_state=0).fit(items[::2])
    assert_array_equal(estimator.transform(items), expected.transform(items))


def test_fit_transform_is_fit_then_transform(make):
    assert_array_equal(make(random_state=0).fit_transform(items, y), codes_by(make(random_state=0)))


def test_code_of_an_image_does_not_depend_on_the_others(make):
    estimator = make(random_state=0).fit(items)
    assert_array_equal(estimator.transform(items[3:4]), estimator.transform(items)[3:4])


@pytest.mark.parametrize("method", ["transform", "get_feature_names_out"])
def test_before_fit_every_method_raises_not_fitted(Encoder, method):
    with pytest.raises(NotFittedError):
        getattr(Encoder(), method)([])


def test_no_images_have_no_codes(make):
    estimator = make().fit(items)
    assert estimator.transform([]).shape == (0, estimator.codebook_.n_outputs)


def test_a_fit_to_no_images_is_refused(make):
    with pytest.raises(NotEnoughDataError, match="X is empty"):
        make().fit([])


@pytest.mark.parametrize("wrong", [items[0], {}, 5, iter(items), [1, 2], np.ones((3, 128)), [[items[0]]]])
def test_anything_but_a_sequence_of_features_is_refused(make, wrong):
    with pytest.raises(TypeError, match="expected a sequence of LocalFeatures"):
        make().fit(wrong)


def test_the_wrong_item_of_a_list_is_named(make):
    with pytest.raises(TypeError, match=r"X\[0\] is of type int; expected a sequence of LocalFeatures"):
        make().fit([1, 2])


# --- random_state


def test_an_int_gives_the_same_codebook_at_every_fit(make):
    estimator = make(random_state=7)
    assert_array_equal(codes_by(estimator), codes_by(estimator))


def test_a_negative_random_state_is_named(make):
    with pytest.raises(SettingsError, match="random_state is -1; it must be at least 0"):
        make(random_state=-1).fit(items)


@pytest.mark.parametrize("chance", [np.random.default_rng, np.random.RandomState])
def test_a_generator_moves_on_from_fit_to_fit(make, chance):
    estimator = make(random_state=chance(0))
    first, second = codes_by(estimator), codes_by(estimator)
    assert not np.array_equal(first, second)
    assert_array_equal(first, codes_by(make(random_state=chance(0))))


def test_none_draws_from_numpys_global_state(make):
    codes = []
    for _ in range(2):
        np.random.seed(5)  # noqa: NPY002 -- the global state is what is tested
        codes.append(codes_by(make()))
    assert_array_equal(*codes)


# --- names and containers


def test_names_of_the_outputs_are_those_of_the_codebook(make):
    estimator = make(random_state=0).fit(items)
    names = estimator.get_feature_names_out()
    assert names.dtype == object
    assert list(names) == estimator.codebook_.feature_names()


def test_names_of_words():
    estimator = BagOfVisualWords(n_words=3, random_state=0).fit(items)
    assert list(estimator.get_feature_names_out()) == ["word_0000", "word_0001", "word_0002"]


def test_set_output_gives_a_table_with_the_names_of_the_outputs(make):
    pandas = pytest.importorskip("pandas", reason="set_output('pandas') needs pandas")
    estimator = make(random_state=0).set_output(transform="pandas")
    table = estimator.fit_transform(items)
    assert isinstance(table, pandas.DataFrame)
    assert list(table.columns) == list(estimator.get_feature_names_out())


def test_every_container_gives_the_same_codes(make, X):
    estimator = make(random_state=0)
    assert_array_equal(estimator.fit(X).transform(X), codes_by(clone(estimator)))


def test_cross_validation_in_a_pipeline_separates_two_easy_classes(make, X):
    model = make_pipeline(make(random_state=0), LinearSVC())
    assert_array_equal(cross_val_score(model, X, y, cv=4), np.ones(4))


def test_grid_search_tries_the_parameters(X):
    model = make_pipeline(BagOfVisualWords(random_state=0), LinearSVC())
    search = GridSearchCV(model, {"bagofvisualwords__n_words": [1, 6]}, cv=2).fit(X, y)
    assert search.best_params_ == {"bagofvisualwords__n_words": 6}
    assert_array_equal(search.predict(X), y)


def parameters_of(docstring):
    """Return the explanation of each parameter on one line, without references."""
    section = inspect.cleandoc(docstring).split("Parameters\n----------\n")[1].split("\n\n")[0]
    found = re.split(r"^(\w+) : .*\n", section, flags=re.MULTILINE)[1:]
    plain = (re.sub(r" \(\[\d\]_(?:, section [\d.]+)?\)", "", " ".join(text.split())) for text in found[1::2])
    return dict(zip(found[::2], plain, strict=True))


def test_parameters_are_explained_as_in_the_settings(Encoder):
    settings, _ = ESTIMATORS[Encoder]
    explained = parameters_of(Encoder.__doc__)
    assert set(explained) == {field.name for field in fields(settings)} | {"random_state"}
    explained.pop("random_state")
    assert explained == parameters_of(settings.__doc__)
