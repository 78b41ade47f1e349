"""The settings of an index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from classicvision.config import require, validate
from classicvision.features.global_features import GlobalExtractor
from classicvision.features.sift import Sift
from classicvision.items import Joint
from classicvision.matching.settings import MATCHING_SIFT

__all__ = ["IndexSettings"]


@dataclass(frozen=True)
class IndexSettings:
    """Settings of an index, which are fixed when it is created.

    Parameters
    ----------
    extractor : Sift
        Finds the keypoints of the images, and of the queries; `MATCHING_SIFT` by default.
    n_words : int, default 20_000
        Largest size of the vocabulary; a small library gets fewer words. More make searching faster and learning
        slower.
    n_samples : int, default 1_000_000
        Descriptors that the words are learned from. More take proportionally longer.
    seed : int, default 0
        Of the random sample and of k-means.

    Raises
    ------
    SettingsError
        If a value is out of range; the message names the field.
    """

    kind: ClassVar[str] = "index"
    version: ClassVar[int] = 2

    extractor: Sift = MATCHING_SIFT
    n_words: int = 20_000
    n_samples: int = 1_000_000
    seed: int = 0

    def __post_init__(self) -> None:
        validate(self)
        require(2 <= self.n_words <= 2**20, "n_words", self.n_words, "from 2 to 1048576")
        require(1 <= self.n_samples <= 10**8, "n_samples", self.n_samples, "from 1 to 100000000")
        require(self.seed >= 0, "seed", self.seed, "0 or more")

    @property
    def extractors(self) -> Joint:
        """What is extracted from each image, decoded once: its keypoints, and its global features as a vector."""
        return Joint((self.extractor, GlobalExtractor()))
