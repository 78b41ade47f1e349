"""The visual vocabulary: a sample of descriptors, and the words learned from it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from classicvision._native import native_available
from classicvision.encoding.nearest import plain_points, stored_points
from classicvision.encoding.seeding import random_start, scalable_start
from classicvision.errors import NotEnoughDataError
from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures

__all__ = [
    "Start",
    "as_compared",
    "learn_image_words",
    "learn_words",
    "relative_places",
    "sample_descriptors",
    "sample_places",
    "word_names",
]

Start = Literal["random", "k-means||"]

_NO_DESCRIPTOR = np.empty((0, DESCRIPTOR_SIZE), np.uint8)
_SIFT_NORM = 512  # of a descriptor as stored (Lowe 2004, section 6.1)


def sample_descriptors(items: Iterable[LocalFeatures], n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw descriptors from many images, each with the same chance, in one pass.

    The images are looked at one by one; beside the sample only one of them is held. How the descriptors are divided
    among the images does not change the sample.

    Parameters
    ----------
    items : iterable of LocalFeatures
    n : int
        Descriptors to keep, at least 1.
    rng : numpy.random.Generator

    Returns
    -------
    (min(n, total), 128) uint8
        In no particular order; all descriptors, in order, if there are no more than n.
    """
    (sample,) = _sample(((item.descriptors,) for item in items), n, rng, (_NO_DESCRIPTOR,))
    return sample


def sample_places(
    items: Iterable[LocalFeatures], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw descriptors as `sample_descriptors` does, the same ones, with their places.

    Returns
    -------
    descriptors : (min(n, total), 128) uint8
    places : (min(n, total), 2) float32
        As `relative_places` gives them.
    """
    columns = ((item.descriptors, relative_places(item)) for item in items)
    descriptors, places = _sample(columns, n, rng, (_NO_DESCRIPTOR, np.empty((0, 2), np.float32)))
    return descriptors, places


def relative_places(features: LocalFeatures) -> NDArray[np.float32]:
    """Return where keypoints lie, (N, 2): x and y from -0.5, the left or upper border of the image, to 0.5."""
    places = (features.xy + np.float32(0.5)).astype(np.float32, copy=False)
    for axis, size in enumerate(reversed(features.image_size)):  # one by one: NumPy is slow at rows of two numbers
        places[:, axis] /= np.float32(max(size, 1))
    places -= np.float32(0.5)
    return places


def learn_words(
    descriptors: NDArray[Any],
    n_words: int,
    rng: np.random.Generator,
    *,
    as_root_sift: bool = False,
    start: Start = "random",
    max_iterations: int = 10,
    n_threads: int = 1,
    setting: str = "n_words",
) -> NDArray[np.float32]:
    """Cluster descriptors with k-means; the centres are the words.

    Parameters
    ----------
    descriptors : (N, D) array
        uint8 are read where they lie, block by block; other types are copied as float32.
    n_words : int
        At least 1.
    rng : numpy.random.Generator
        Chooses the starting words. The result does not depend on the number of threads.
    as_root_sift : bool
        Cluster the RootSIFT of the descriptors; for uint8 alone.
    start : {"random", "k-means||"}
        The starting words: descriptors drawn with equal chance, or far from each other (Bahmani et al. 2012), which
        finds small and far clumps that the other way may miss. See the notes for what that costs.
    max_iterations : int
        Passes over the descriptors; fewer if the words come to rest.
    n_threads : int
        Used by the compiled kernels only.
    setting : str
        What the caller's settings call `n_words`, for messages.

    Returns
    -------
    (n_words, D) float32

    Raises
    ------
    NotEnoughDataError
        If fewer than `n_words` descriptors are different from each other.

    Notes
    -----
    Lloyd's algorithm from randomly chosen descriptors: by the compiled kernels where they were built, else by
    scikit-learn. Both find the same words but for the rounding of sums, which the kernels take in float64.

    A careful start seldom pays: for 1000 words from 100,000 RootSIFT descriptors of Scene-15, ten passes from a
    k-means|| start ended between 0.06 % lower and 0.03 % higher than from a random one (four seeds), and that start
    took two thirds as long as the ten passes. Three more passes, a quarter of their time, brought 0.2 %.
    `benchmarks/vocabulary.py` compares ways to learn words, in CPU seconds and in the mean squared distance of other
    descriptors to their word.
    """
    if n_words < 1:
        raise ValueError(f"n_words is {n_words}; a vocabulary has at least 1 word")
    if as_root_sift and descriptors.dtype != np.uint8:
        raise ValueError(f"descriptors are {descriptors.dtype}; RootSIFT is taken here of descriptors as stored, uint8")
    if start not in get_args(Start):
        raise ValueError(f"start is {start!r}; it must be one of {', '.join(get_args(Start))}")
    points = stored_points(descriptors)
    words = _draw_start(points, n_words, rng, start, n_threads, as_root_sift)
    if not len(points):
        raise NotEnoughDataError(
            "there is no descriptor to learn words from: the images have no keypoints. "
            "Lower the contrast threshold of the extractor, or look at the images."
        )
    if len(words) < n_words:
        name = setting.removeprefix("n_")
        raise NotEnoughDataError(
            f"{len(points)} descriptor(s), {len(words)} of them different, cannot make {n_words} {name}. "
            f"Add images, lower the contrast threshold of the extractor, or ask for fewer {name}, at most {len(words)} "
            f"({setting}; --set encoder.{setting}={max(len(words) // 2, 1)} on the command line)."
        )
    return _lloyd(points, words, max_iterations, n_threads, as_root_sift)


def learn_image_words(
    items: Iterable[LocalFeatures], n_words: int, rng: np.random.Generator, *, n_samples: int, as_root_sift: bool
) -> NDArray[np.float32]:
    """Learn words from the descriptors of many images, in the space of `as_compared`.

    Parameters
    ----------
    items : iterable of LocalFeatures
        Looked at one by one, once.
    n_words : int
    rng : numpy.random.Generator
    n_samples : int
        Descriptors to learn from.
    as_root_sift : bool

    Returns
    -------
    (n_words, 128) float32

    Raises
    ------
    NotEnoughDataError
        If the images have fewer than `n_words` different descriptors.
    """
    words = learn_words(sample_descriptors(items, n_samples, rng), n_words, rng, as_root_sift=as_root_sift)
    return words if as_root_sift else words / np.float32(_SIFT_NORM)  # a power of two: exact


def as_compared(descriptors: NDArray[np.uint8], *, as_root_sift: bool) -> NDArray[Any]:
    """Return descriptors (N, 128) as searches for words take them: as stored for RootSIFT, else of length 1."""
    return descriptors if as_root_sift else np.divide(descriptors, _SIFT_NORM)


def word_names(n_words: int) -> list[str]:
    """Return a name for each word: ``word_0042``."""
    digits = max(4, len(str(n_words - 1)))
    return [f"word_{word:0{digits}d}" for word in range(n_words)]


def _sample(
    parts: Iterable[tuple[NDArray[Any], ...]], n: int, rng: np.random.Generator, like: tuple[NDArray[Any], ...]
) -> list[NDArray[Any]]:
    """Draw n rows of columns that come in parts; the columns have the types and widths of `like`."""
    if n < 1:
        raise ValueError(f"n is {n}; a sample has at least 1 descriptor")
    samples = [np.empty((n, *column.shape[1:]), column.dtype) for column in like]
    n_seen = 0
    for columns in parts:
        rows, places = _reservoir_places(n, n_seen, len(columns[0]), rng)
        for sample, column in zip(samples, columns, strict=True):
            sample[places] = column[rows]
        n_seen += len(columns[0])
    return samples if n_seen >= n else [sample[:n_seen].copy() for sample in samples]


def _reservoir_places(
    n: int, n_seen: int, n_new: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which of the rows that follow the first `n_seen` enter a sample of n, and where they go."""
    n_free = min(max(n - n_seen, 0), n_new)
    # Vitter (1985), algorithm R: descriptor number t draws one of t places and is kept if that is among the first n.
    # Where two draw the same place an assignment leaves the later one, as it would one by one.
    place = rng.integers(0, np.arange(n_seen + n_free, n_seen + n_new) + 1)
    kept = np.flatnonzero(place < n)
    first = np.arange(n_free)
    return np.concatenate([first, n_free + kept]), np.concatenate([n_seen + first, place[kept]])


def _draw_start(
    points: NDArray[Any], n_words: int, rng: np.random.Generator, start: Start, n_threads: int, as_root_sift: bool
) -> NDArray[np.float32]:
    """Return starting words that all differ, (n_words, D); fewer if fewer points differ."""
    if start == "random":
        return random_start(points, n_words, rng, as_root_sift=as_root_sift)
    return scalable_start(points, n_words, rng, n_threads=n_threads, as_root_sift=as_root_sift)


def _lloyd(
    points: NDArray[Any], start: NDArray[np.float32], max_iterations: int, n_threads: int, as_root_sift: bool
) -> NDArray[np.float32]:
    """Move the words (K, D) to the mean of the points (N, D) nearest to them, until they rest."""
    if native_available():
        from classicvision.encoding.kmeans import lloyd

        return lloyd(points, start, max_iterations, n_threads=n_threads, as_root_sift=as_root_sift)
    return _lloyd_of_sklearn(plain_points(points, as_root_sift=as_root_sift), start, max_iterations)


def _lloyd_of_sklearn(
    points: NDArray[np.float32], start: NDArray[np.float32], max_iterations: int
) -> NDArray[np.float32]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    kmeans = KMeans(len(start), init=start, n_init=1, max_iter=max_iterations, algorithm="lloyd", random_state=0)
    # Threads add up their parts of a mean in the order in which they finish, and float32 sums depend on the order.
    with threadpool_limits(1), warnings.catch_warnings():
        # Said when two words coincide. The second of them then gets no votes, which does no harm.
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans.fit(points)
    return np.ascontiguousarray(kmeans.cluster_centers_, np.float32)
