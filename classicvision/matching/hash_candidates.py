"""Which of many images may be the same as a query as a whole, by their perceptual hashes alone.

A candidate is an image of the query's aspect ratio, under one of eight symmetries, of whose signs at most a quarter
differs from the query's. That says little about signs and flags: candidates are compared by their pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classicvision.features.phash import HASH_SIZE, pack_signs, symmetric_hashes, unpack_signs
from classicvision.matching.whole_image import largest_stretch

__all__ = ["Candidate", "HashTable"]

MIN_AGREEING: Final = 0.75  # share of the signs of both
MIN_COMPARED: Final = (
    0.06  # signs of both, relative to those of the image that has more: fewer are not an image blurred
)
N_WORDS: Final = HASH_SIZE // 64


class Candidate(NamedTuple):
    """A row of the table, and a symmetry of the query that its hash resembles, an index of `SYMMETRIES`."""

    row: int
    symmetry: int


@dataclass(frozen=True, eq=False)
class HashTable:
    """The perceptual hashes of N images, arranged for comparing.

    Attributes
    ----------
    positive, negative : (4, N) uint64
        Which signs are positive, and which are negative.
    image_sizes : (N, 2) int64
        Height and width.
    """

    positive: NDArray[np.uint64]
    negative: NDArray[np.uint64]
    image_sizes: NDArray[np.int64]

    @classmethod
    def of(cls, packed: NDArray[np.uint8], image_sizes: NDArray[np.int64]) -> HashTable:
        """Arrange (N, 64) hashes, as `pack_signs` returns them, of images of (N, 2) sizes."""
        words = np.ascontiguousarray(np.ascontiguousarray(packed).view(np.uint64).T)
        return cls(words[:N_WORDS], words[N_WORDS:], image_sizes)

    def candidates(self, packed: NDArray[np.uint8], image_size: tuple[int, int]) -> list[Candidate]:
        """Return the images that may be the same as a query as a whole, those whose signs agree best first.

        Parameters
        ----------
        packed : (64,) uint8
            The hash of the query, as `pack_signs` returns it.
        image_size : (height, width)
            Of the query.
        """
        versions = pack_signs(symmetric_hashes(unpack_signs(packed)))
        found = []
        for transposed, size in ((0, image_size), (4, image_size[::-1])):
            rows = np.flatnonzero(self._has_aspect(size))
            plus, minus = self.positive[0, rows], self.negative[0, rows]
            for symmetry in range(transposed, transposed + 4):
                p, n = versions[symmetry].view(np.uint64)[[0, N_WORDS]]
                n_agree, n_differ = _ones_of_each((plus & p) | (minus & n)), _ones_of_each((plus & n) | (minus & p))
                passed = rows[2 * n_differ <= n_agree]  # of the lowest frequencies, most reliable, two thirds
                agreeing, shares = self._agreeing(versions[symmetry], passed)
                found += [
                    (-share, symmetry, row) for share, row in zip(shares.tolist(), agreeing.tolist(), strict=True)
                ]
        return [Candidate(row, symmetry) for _, symmetry, row in sorted(found)]

    def _has_aspect(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        height, width = size
        heights, widths = self.image_sizes.T
        stretch = (height / width) * (widths / np.maximum(heights, 1))
        most = largest_stretch(min(size), np.minimum(heights, widths))
        return np.asarray((stretch <= most) & (stretch * most >= 1))

    def _agreeing(
        self, version: NDArray[np.uint8], rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return those of some rows that agree with one version of the query, and the share of the signs that agree."""
        words = version.view(np.uint64)
        positive, negative = words[:N_WORDS], words[N_WORDS:]
        plus, minus = self.positive[:, rows], self.negative[:, rows]
        p, n = positive[:, np.newaxis], negative[:, np.newaxis]
        n_agree, n_differ = _n_ones((plus & p) | (minus & n)), _n_ones((plus & n) | (minus & p))
        n_compared = n_agree + n_differ
        of_rows = _n_ones(plus | minus)
        least = MIN_COMPARED * np.maximum(of_rows, int(_n_ones(positive | negative)))
        agrees = (n_compared >= np.maximum(least, 1)) & (n_agree >= MIN_AGREEING * n_compared)
        return rows[agrees], n_agree[agrees] / n_compared[agrees]


def _n_ones(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the number of bits that are set in each column of (w, ...) words."""
    return np.asarray(_ones_of_each(words).sum(axis=0, dtype=np.int64))


def _ones_of_each(words: NDArray[np.uint64]) -> NDArray[Any]:
    """Return the number of bits that are set in each word, at most 64."""
    return np.asarray(np.bitwise_count(words)) if hasattr(np, "bitwise_count") else _count_by_table(words)


def _count_by_table(words: NDArray[np.uint64]) -> NDArray[Any]:
    """Return the number of bits of each word, for NumPy below 2."""
    return np.asarray(_ONES[np.ascontiguousarray(words)[..., np.newaxis].view(np.uint8)].sum(axis=-1))


_ONES: Final = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1).sum(axis=1)
