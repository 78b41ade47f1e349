"""The visual vocabulary: a random sample of descriptors, and the words learned from it."""

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
    "relative_positions",
    "sample_descriptors",
    "sample_positions",
    "word_names",
]

Start = Literal["random", "k-means||"]

_NO_DESCRIPTOR = np.empty((0, DESCRIPTOR_SIZE), np.uint8)
_SIFT_NORM = 512  # of a descriptor as stored (Lowe 2004, section 6.1)


def sample_descriptors(items: Iterable[LocalFeatures], n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw descriptors uniformly from many images in a single pass (reservoir sampling).

    Images are read one at a time; only one is in memory in addition to the sample. The sample does not depend on how
    the descriptors are distributed over images.

    Parameters
    ----------
    items : iterable of LocalFeatures
    n : int
        Number of descriptors to draw, at least 1.
    rng : numpy.random.Generator

    Returns
    -------
    (min(n, total), 128) uint8
        In arbitrary order; all descriptors in order if there are at most n.
    """
    (sample,) = _sample(((item.descriptors,) for item in items), n, rng, (_NO_DESCRIPTOR,))
    return sample


def sample_positions(
    items: Iterable[LocalFeatures], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw the same descriptors as `sample_descriptors`, together with their positions.

    Returns
    -------
    descriptors : (min(n, total), 128) uint8
    positions : (min(n, total), 2) float32
        As returned by `relative_positions`.
    """
    columns = ((item.descriptors, relative_positions(item)) for item in items)
    descriptors, positions = _sample(columns, n, rng, (_NO_DESCRIPTOR, np.empty((0, 2), np.float32)))
    return descriptors, positions


def relative_positions(features: LocalFeatures) -> NDArray[np.float32]:
    """Return the positions of keypoints relative to the image, (N, 2): from -0.5 (left, top) to 0.5."""
    positions = (features.xy + np.float32(0.5)).astype(np.float32, copy=False)
    for axis, size in enumerate(reversed(features.image_size)):  # by column, since NumPy is slow on rows of two values
        positions[:, axis] /= np.float32(max(size, 1))
    positions -= np.float32(0.5)
    return positions


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
    """Cluster descriptors by k-means; the centres are the words.

    Parameters
    ----------
    descriptors : (N, D) array
        uint8 descriptors are not copied; other types are copied as float32.
    n_words : int
        At least 1.
    rng : numpy.random.Generator
        Draws the initial words. The result does not depend on the number of threads.
    as_root_sift : bool
        Cluster the RootSIFT of the descriptors; only for uint8.
    start : {"random", "k-means||"}
        The initial words: descriptors drawn uniformly, or far from each other (Bahmani et al. 2012), which finds small,
        distant clusters that a uniform draw may miss. The notes have its cost.
    max_iterations : int
        Largest number of passes over the descriptors; fewer if the assignments no longer change.
    n_threads : int
        Used only by the compiled kernels.
    setting : str
        Name of `n_words` in the caller's settings, for messages.

    Returns
    -------
    (n_words, D) float32

    Raises
    ------
    NotEnoughDataError
        If there are fewer than `n_words` distinct descriptors.

    Notes
    -----
    Lloyd's algorithm, by the compiled kernels if they were built, else by scikit-learn. Both find the same words up to
    the rounding of sums, which the kernels compute in float64.

    A careful initialisation seldom pays: for 1000 words from 100,000 RootSIFT descriptors of Scene-15, ten iterations
    from k-means|| ended between 0.06 % lower and 0.03 % higher than from a random start (four seeds), and k-means||
    took two thirds as long as the ten iterations. Three more iterations, a quarter of their time, gained 0.2 %.
    `benchmarks/vocabulary.py` compares ways to learn words, in CPU seconds and in the mean squared distance of other
    descriptors to their words.
    """
    if n_words < 1:
        raise ValueError(f"n_words is {n_words}; a vocabulary has at least 1 word")
    if as_root_sift and descriptors.dtype != np.uint8:
        raise ValueError(f"descriptors are {descriptors.dtype}; RootSIFT needs uint8 descriptors as stored")
    if start not in get_args(Start):
        raise ValueError(f"start is {start!r}; it must be one of {', '.join(get_args(Start))}")
    points = stored_points(descriptors)
    words = _draw_start(points, n_words, rng, start, n_threads, as_root_sift)
    if not len(points):
        raise NotEnoughDataError(
            "no descriptors to learn words from: the images have no keypoints. "
            "Lower the contrast threshold of the extractor, or check the images."
        )
    if len(words) < n_words:
        name = setting.removeprefix("n_")
        raise NotEnoughDataError(
            f"{len(points)} descriptor(s), {len(words)} of them distinct, are too few for {n_words} {name}. "
            f"Add images, lower the contrast threshold of the extractor, or learn fewer {name}, at most {len(words)} "
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
        Read one at a time, in a single pass.
    n_words : int
    rng : numpy.random.Generator
    n_samples : int
        Number of descriptors to learn from.
    as_root_sift : bool
        Learn words in the space of RootSIFT instead of SIFT.

    Returns
    -------
    (n_words, 128) float32

    Raises
    ------
    NotEnoughDataError
        If the images have fewer than `n_words` distinct descriptors.
    """
    words = learn_words(sample_descriptors(items, n_samples, rng), n_words, rng, as_root_sift=as_root_sift)
    return words if as_root_sift else words / np.float32(_SIFT_NORM)  # a power of two: exact


def as_compared(descriptors: NDArray[np.uint8], *, as_root_sift: bool) -> NDArray[Any]:
    """Return descriptors (N, 128) as input of word searches: as stored for RootSIFT, else scaled to norm 1."""
    return descriptors if as_root_sift else np.divide(descriptors, _SIFT_NORM)


def word_names(n_words: int) -> list[str]:
    """Return a name for each word: ``word_0042``."""
    digits = max(4, len(str(n_words - 1)))
    return [f"word_{word:0{digits}d}" for word in range(n_words)]


def _sample(
    parts: Iterable[tuple[NDArray[Any], ...]], n: int, rng: np.random.Generator, like: tuple[NDArray[Any], ...]
) -> list[NDArray[Any]]:
    """Draw n rows of columns that arrive in parts; `like` has the types and widths of the columns."""
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
    """Return which of the rows after the first `n_seen` enter a sample of n, and their slots."""
    n_free = min(max(n - n_seen, 0), n_new)
    # Vitter (1985), algorithm R: descriptor number t draws one of t slots and is kept if that is among the first n.
    # If two draw the same slot, the assignment keeps the later one, as in sequential processing.
    place = rng.integers(0, np.arange(n_seen + n_free, n_seen + n_new) + 1)
    kept = np.flatnonzero(place < n)
    first = np.arange(n_free)
    return np.concatenate([first, n_free + kept]), np.concatenate([n_seen + first, place[kept]])


def _draw_start(
    points: NDArray[Any], n_words: int, rng: np.random.Generator, start: Start, n_threads: int, as_root_sift: bool
) -> NDArray[np.float32]:
    """Return distinct initial words, (n_words, D); fewer if fewer points are distinct."""
    if start == "random":
        return random_start(points, n_words, rng, as_root_sift=as_root_sift)
    return scalable_start(points, n_words, rng, n_threads=n_threads, as_root_sift=as_root_sift)


def _lloyd(
    points: NDArray[Any], start: NDArray[np.float32], max_iterations: int, n_threads: int, as_root_sift: bool
) -> NDArray[np.float32]:
    """Move the words (K, D) to the mean of the points (N, D) nearest to them until nothing changes."""
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
    # Threads add their partial sums in the order in which they finish, and float32 sums depend on the order.
    with threadpool_limits(1), warnings.catch_warnings():
        # The warning is about coinciding words. The second one then gets no votes, which is harmless.
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans.fit(points)
    return np.ascontiguousarray(kmeans.cluster_centers_, np.float32)
