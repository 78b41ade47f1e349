"""Folds for cross-validation, stratified and with copies of an image together; and random subsets of each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import NotEnoughDataError

__all__ = ["some_of_each", "split_folds"]


def some_of_each(labels: Sequence[str], n_of: Callable[[int], int], seed: int) -> NDArray[np.intp]:
    """Return the sorted rows of some images of each class, drawn at random; a larger draw contains a smaller one.

    Parameters
    ----------
    labels : N labels
    n_of : callable
        Returns how many images to draw from a class of n; more than n means all.
    seed : int
        Random seed; the same seed gives the same images.
    """
    names = np.asarray(labels, dtype=str)
    rng = np.random.default_rng(seed)
    of_classes = (rng.permutation(np.flatnonzero(names == name)) for name in np.unique(names))
    return np.sort(np.concatenate([rows[: n_of(len(rows))] for rows in of_classes]))


def split_folds(
    y: NDArray[np.intp], keys: Sequence[str], classes: Sequence[str] | NDArray[np.str_], n_folds: int, seed: int
) -> NDArray[np.intp]:
    """Return the fold of each image: stratified, shuffled by the seed, copies of an image together.

    Parameters
    ----------
    y : (N,) class indices
    keys : N strings
        Equal for byte-identical images.
    classes : K labels, for messages
    n_folds : int
        Upper limit; a class with fewer different images lowers it.

    Raises
    ------
    NotEnoughDataError
        For fewer than two classes, or a class with fewer than two different images.
    """
    if len(classes) < 2:
        raise NotEnoughDataError(f"classes with readable images: {len(classes)}; a classifier needs at least 2")
    _, first, group = np.unique(np.asarray(keys, dtype=str), return_index=True, return_inverse=True)
    order = np.sort(first)  # the first of each group of copies, in image order
    count = np.bincount(y[order], minlength=len(classes))
    if count.min() < 2:
        label, n_images = str(classes[int(count.argmin())]), int(np.sum(y == count.argmin()))
        copies = f" Its {n_images} readable images are copies of each other, or of images of other classes." * (
            n_images > 1
        )
        raise NotEnoughDataError(
            f"class {label!r} has {count.min()} different readable {'image' if count.min() == 1 else 'images'}; "
            f"cross-validation needs at least 2.{copies} Add images or remove the class."
        )
    fold_of_group = np.empty(len(first), np.intp)
    fold_of_group[group[order]] = _stratified(y[order], min(n_folds, int(count.min())), seed)
    return fold_of_group[group]


def _stratified(y: NDArray[np.intp], n_folds: int, seed: int) -> NDArray[np.intp]:
    """Return the fold of each image, so that the folds' numbers of images of a class differ by one at most.

    These are the folds of scikit-learn's StratifiedKFold with shuffling, whose import costs more than all of this.
    """
    # Classes in the order of their first images, and the images in the order of classes, dealt out like cards.
    _, first, inverse = np.unique(y, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))[inverse]
    dealt = np.arange(len(y)) % n_folds
    by_class = np.sort(rank)
    chance = np.random.RandomState(seed)
    folds = np.empty(len(y), np.intp)
    for k in range(len(first)):
        hand = np.sort(dealt[by_class == k])
        chance.shuffle(hand)
        folds[rank == k] = hand
    return folds
