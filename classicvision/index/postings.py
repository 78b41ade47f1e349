"""Postings: for each visual word, the keypoints of a segment's images that are quantized to it.

A posting is 12 bytes: the row of the image (2), the signature within the word (8), and the keypoint's angle and scale
(1 each), by which matches can be tested for a common rotation and change of scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision._native import native_available
from classicvision.features.local import LocalFeatures
from classicvision.index.vocabulary import QuantizedFeatures, Vocabulary

__all__ = ["MOST_IMAGES", "SCALE_STEPS", "Postings", "angle_bytes", "near_postings", "scale_bytes"]

MOST_IMAGES = 2**16  # in one segment: rows of images have two bytes
SCALE_STEPS = 16  # of a scale byte in an octave
_SCALE_ZERO = 80  # the byte of scale 1: bytes reach from 1/32 to about 1,900 pixels

# Number of bits set in each value of 16 bits.
_COUNTS = np.array([number.bit_count() for number in range(2**16)], np.uint8)


@dataclass(frozen=True, eq=False)
class Postings:
    """The P postings of a segment, grouped by word and, within each word, in the order of the images.

    Attributes
    ----------
    offsets : (K + 1,) int64
        Word w has the postings offsets[w] to offsets[w + 1] - 1.
    rows : (P,) uint16
        Of the image in the segment.
    signatures : (P,) uint64
    angles, scales : (P,) uint8
        As `angle_bytes` and `scale_bytes` make them.
    n_images_of : (K,) int32
        Images that have the word.
    """

    offsets: NDArray[np.int64]
    rows: NDArray[np.uint16]
    signatures: NDArray[np.uint64]
    angles: NDArray[np.uint8]
    scales: NDArray[np.uint8]
    n_images_of: NDArray[np.int32]

    @classmethod
    def of(cls, images: Sequence[LocalFeatures], vocabulary: Vocabulary, *, n_threads: int = 1) -> Self:
        """Return the postings of some images, whose rows are their positions in the list."""
        descriptors = np.concatenate([features.descriptors for features in images])
        quantized = vocabulary.quantize(descriptors, n_threads=n_threads)
        return cls._sorted(
            len(vocabulary),
            quantized.words,
            np.repeat(np.arange(len(images)), [len(features) for features in images]).astype(np.uint16),
            quantized.signatures,
            angle_bytes(np.concatenate([features.angle for features in images])),
            scale_bytes(np.concatenate([features.scale for features in images])),
        )

    @classmethod
    def merged(cls, parts: Sequence[Self], new_rows: Sequence[NDArray[np.int64]]) -> Self:
        """Join the postings of segments.

        Parameters
        ----------
        parts : sequence of Postings
            Of one vocabulary.
        new_rows : sequence of (n,) int64
            For each part, the new row of each of its images, or -1 if the image is dropped.
        """
        n_words = len(parts[0].offsets) - 1
        kept = [rows[part.rows] >= 0 for part, rows in zip(parts, new_rows, strict=True)]
        return cls._sorted(
            n_words,
            _joined([part.words()[keep] for part, keep in zip(parts, kept, strict=True)], np.int32),
            _joined([r[p.rows[k]].astype(np.uint16) for p, r, k in zip(parts, new_rows, kept, strict=True)], np.uint16),
            _joined([part.signatures[keep] for part, keep in zip(parts, kept, strict=True)], np.uint64),
            _joined([part.angles[keep] for part, keep in zip(parts, kept, strict=True)], np.uint8),
            _joined([part.scales[keep] for part, keep in zip(parts, kept, strict=True)], np.uint8),
        )

    @classmethod
    def _sorted(
        cls,
        n_words: int,
        words: NDArray[np.int32],
        rows: NDArray[np.uint16],
        signatures: NDArray[np.uint64],
        angles: NDArray[np.uint8],
        scales: NDArray[np.uint8],
    ) -> Self:
        # Rows ascend before, so they do within each word. Numbers of 16 bits are sorted in a fraction of the time.
        order = np.argsort(words.astype(np.uint16) if n_words <= 2**16 else words, kind="stable")
        words, rows = words[order], rows[order]
        offsets = np.zeros(n_words + 1, np.int64)
        np.cumsum(np.bincount(words, minlength=n_words), out=offsets[1:])
        is_first = np.ones(len(words), bool)
        is_first[1:] = (words[1:] != words[:-1]) | (rows[1:] != rows[:-1])
        n_images_of = np.bincount(words[is_first], minlength=n_words).astype(np.int32)
        return cls(offsets, rows, signatures[order], angles[order], scales[order], n_images_of)

    def __len__(self) -> int:
        return len(self.rows)

    def words(self) -> NDArray[np.int32]:
        """Return the word of each posting, (P,)."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int32), np.diff(self.offsets))

    def problem(self, n_images: int) -> str:
        """Return the first inconsistency of these postings with `n_images` images, as text, or an empty string."""
        if self.offsets[0] != 0 or self.offsets[-1] != len(self) or (np.diff(self.offsets) < 0).any():
            return "the lists of its words are not consecutive"
        return "a posting refers to an unknown image" if len(self) and int(self.rows.max()) >= n_images else ""

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all columns as plain arrays."""
        return {name: getattr(self, name) for name in _COLUMNS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild postings from the arrays of `to_arrays`; a ValueError names what is wrong with them."""
        for name, dtype in _COLUMNS.items():
            array = arrays.get(name)
            if array is None or array.dtype.newbyteorder("=") != dtype or array.ndim != 1:
                raise ValueError(f"postings need an array {name!r} of {np.dtype(dtype)} in one dimension")
        if not len(arrays["offsets"]):
            raise ValueError("postings need at least one offset")
        lengths = {len(arrays[name]) for name in ("rows", "signatures", "angles", "scales")}
        if len(lengths) != 1 or len(arrays["n_images_of"]) != len(arrays["offsets"]) - 1:
            raise ValueError("the columns of the postings differ in length")
        # Mapped arrays have an explicit little-endian type; kernels need the native one, which mostly is the same.
        return cls(**{name: arrays[name].astype(dtype, copy=False).view(dtype) for name, dtype in _COLUMNS.items()})


_COLUMNS: dict[str, type[np.generic]] = {
    "offsets": np.int64,
    "rows": np.uint16,
    "signatures": np.uint64,
    "angles": np.uint8,
    "scales": np.uint8,
    "n_images_of": np.int32,
}


def angle_bytes(angle: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return angles in radians as 256 steps of a full rotation."""
    return (np.rint(angle.astype(np.float64) * (256 / (2 * np.pi))).astype(np.int64) % 256).astype(np.uint8)


def scale_bytes(scale: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return scales in pixels as 16 steps of an octave."""
    steps = np.rint(np.log2(np.maximum(scale.astype(np.float64), 2.0**-20)) * SCALE_STEPS) + _SCALE_ZERO
    clipped: NDArray[np.uint8] = np.clip(steps, 0, 255).astype(np.uint8)
    return clipped


def near_postings(
    postings: Postings, quantized: QuantizedFeatures, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8]]:
    """Find the postings that have the word of a query's descriptor and a signature that differs in few bits.

    Parameters
    ----------
    postings : Postings
    quantized : QuantizedFeatures
        Of the query.
    limit : int
        Bits, of 64, that may differ. More gives more postings, true and false ones.

    Returns
    -------
    posting : (M,) int64
    query : (M,) int32
        Row of the query's descriptor, ascending.
    distance : (M,) uint8
        Bits that differ.

    Raises
    ------
    ValueError
        If the list of a word is not within the postings.
    """
    if native_available():
        from classicvision._native import hamming

        return hamming.find_near_postings(
            postings.offsets, postings.signatures, quantized.words, quantized.signatures, limit
        )
    return _compare(postings, quantized, limit)


def _compare(
    postings: Postings, quantized: QuantizedFeatures, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8]]:
    """Find near postings in NumPy, one list at a time."""
    begins, ends = postings.offsets[quantized.words], postings.offsets[quantized.words + 1]
    if len(begins) and (begins.min() < 0 or (ends < begins).any() or ends.max() > len(postings.signatures)):
        raise ValueError("the list of a word lies outside the postings")
    found: list[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8]]] = []
    for query, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        bits = np.ascontiguousarray(postings.signatures[begin:end] ^ quantized.signatures[query]).view(np.uint16)
        distance = _COUNTS[bits].reshape(-1, 4).sum(axis=1, dtype=np.uint8)
        near = np.flatnonzero(distance <= limit)
        found.append((near + begin, np.full(len(near), query, np.int32), distance[near]))
    columns = list(zip(*found, strict=True)) or [(), (), ()]
    return _joined(columns[0], np.int64), _joined(columns[1], np.int32), _joined(columns[2], np.uint8)


def _joined(parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype, copy=False)
