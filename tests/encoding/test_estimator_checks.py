"""scikit-learn's own checks of every estimator.

The checks feed rows of numbers. An estimator of images refuses those, and says so by its tags, whereupon scikit-learn
checks next to nothing. So each estimator is checked through a subclass that first makes an image of each row: what
scikit-learn expects of parameters, state, order, clones, pickles and repeated fits then runs on its code. No check is
expected to fail.
"""

from __future__ import annotations

import numpy as np
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from classicvision import BagOfVisualWords, FisherVector, LocalFeatures, LocalityConstrainedCoding, Vlad

N_KEYPOINTS = 6


def image_of_row(row: np.ndarray) -> LocalFeatures:
    """Return features whose descriptors are a function of a row of numbers."""
    seed = np.abs(np.rint(np.asarray(row, np.float64) * 1000)).astype(np.uint64)
    descriptors = np.random.default_rng(seed).integers(0, 200, (N_KEYPOINTS, 128)).astype(np.uint8)
    place = np.arange(N_KEYPOINTS, dtype=np.float32)
    return LocalFeatures(np.stack([place, place], 1), place + 1, place / 10, place + 1, descriptors, (64, 64))


class Rows:
    """A mixin that turns each row of X into an image for the estimator."""

    def fit(self, X, y=None):
        X = validate_data(self, X, dtype="numeric")
        return super().fit([image_of_row(row) for row in X])

    def transform(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", reset=False)
        return super().transform([image_of_row(row) for row in X])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class RowsBagOfVisualWords(Rows, BagOfVisualWords): ...


class RowsLocalityConstrainedCoding(Rows, LocalityConstrainedCoding): ...


class RowsVlad(Rows, Vlad): ...


class RowsFisherVector(Rows, FisherVector): ...


@parametrize_with_checks(
    [
        RowsBagOfVisualWords(n_words=3),
        RowsLocalityConstrainedCoding(n_words=3, n_neighbors=2),
        RowsVlad(n_words=2, n_dims=3),
        RowsFisherVector(n_components=2, n_dims=3),
    ]
)
def test_estimators_of_rows_keep_scikit_learns_contract(estimator, check):
    check(estimator)


def test_every_public_estimator_is_checked():
    import classicvision
    from classicvision.encoding import estimators

    checked = {base for rows in Rows.__subclasses__() for base in rows.__bases__} - {Rows}
    public = [getattr(classicvision, name) for name in classicvision.__all__]
    assert checked == {each for each in public if isinstance(each, type) and hasattr(each, "fit")}
    assert {each.__name__ for each in checked} == set(estimators.__all__)
