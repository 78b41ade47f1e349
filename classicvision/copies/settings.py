"""The settings of a search for copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from classicvision.config import require, validate
from classicvision.matching.settings import MatchSettings

__all__ = ["SearchSettings"]


@dataclass(frozen=True)
class SearchSettings:
    """How the images that may be copies are found, and which of them are compared with the query."""

    kind: ClassVar[str] = "search"
    version: ClassVar[int] = 1

    n_candidates: int = 100  # images that are compared with the query, at most; more take longer and miss less
    n_always: int = 2  # candidates that are compared however few votes they have
    least_votes: float = 5.0  # further candidates are compared if so many votes agree on a rotation and a scale,
    least_ratio: float = 2.5  # or so many times the votes of the last candidate, a measure of chance
    limit: int = 20  # bits of 64 in which two descriptors of one word may differ (Jegou, Douze and Schmid 2008, 5)
    stop_ratio: float = 10.0  # words in more than this many times as many images as the mean word are not searched
    mirrored: bool = True  # search for the query's mirror image too
    match: MatchSettings = field(default_factory=MatchSettings)

    def __post_init__(self) -> None:
        validate(self)
        require(self.n_candidates >= 1, "n_candidates", self.n_candidates, "at least 1")
        require(self.n_always >= 0, "n_always", self.n_always, "0 or more")
        require(self.least_votes >= 0, "least_votes", self.least_votes, "0 or more")
        require(self.least_ratio >= 1, "least_ratio", self.least_ratio, "at least 1")
        require(0 <= self.limit <= 64, "limit", self.limit, "from 0 to 64 bits")
        require(self.stop_ratio >= 1, "stop_ratio", self.stop_ratio, "at least 1")
