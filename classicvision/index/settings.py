"""The settings of an index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from classicvision.config import require, validate
from classicvision.features.sift import Sift
from classicvision.matching.settings import MATCHING_SIFT

__all__ = ["IndexSettings"]


@dataclass(frozen=True)
class IndexSettings:
    """Settings of an index, which are fixed when it is created."""

    kind: ClassVar[str] = "index"
    version: ClassVar[int] = 1

    extractor: Sift = MATCHING_SIFT
    n_words: int = 20_000  # at most: a small library gets fewer. More make searching faster and learning slower
    n_samples: int = 1_000_000  # descriptors that the words are learned from
    seed: int = 0  # of the random sample and of k-means

    def __post_init__(self) -> None:
        validate(self)
        require(2 <= self.n_words <= 2**20, "n_words", self.n_words, "from 2 to 1048576")
        require(1 <= self.n_samples <= 10**8, "n_samples", self.n_samples, "from 1 to 100000000")
        require(self.seed >= 0, "seed", self.seed, "0 or more")
