"""The settings of a search for copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from classicvision.config import require, validate
from classicvision.matching.settings import MatchSettings

__all__ = ["SearchSettings"]


@dataclass(frozen=True)
class SearchSettings:
    """How the images that may be copies are found, and which of them are compared with the query.

    Parameters
    ----------
    n_candidates : int, default 100
        Number of images that are compared with the query if their votes suffice. Further ones follow as long as the
        last quarter of those compared holds a copy. Larger values take longer and miss fewer copies; an index of at
        most this many images is compared completely.
    max_candidates : int, default 5000
        Largest number of images that are compared with the query, where that is more than `n_candidates`. Findings name
        the queries whose search ended there. Larger values take longer for images with thousands of copies.
    n_always : int, default 2
        Candidates that are compared however few votes they have. Larger values take longer and miss fewer copies.
    least_votes : float, default 5
        Further candidates are compared if the votes that agree on a rotation and a change of scale weigh this much.
        Smaller values compare more of them.
    least_ratio : float, default 2.5
        They are also compared if their votes weigh this many times as much as those of the last candidate, a measure of
        random agreement. Smaller values compare more of them.
    limit : int, default 20
        Bits of 64 in which two descriptors of one word may differ ([1]_, section 5). Larger values give more votes,
        true and false ones.
    stop_ratio : float, default 10
        Words that occur in more than this many times as many images as the mean word are not searched. Smaller values
        are faster and ignore more of the common words.
    mirrored : bool, default True
        Search for the mirror image of the query too.
    match : MatchSettings
        How the query is compared with a candidate.

    Raises
    ------
    SettingsError
        If a value is out of range; the message names the field.

    References
    ----------
    .. [1] H. Jegou, M. Douze and C. Schmid, "Hamming embedding and weak geometric consistency for large scale image
           search", ECCV 2008. :DOI:`10.1007/978-3-540-88682-2_24`
    """

    kind: ClassVar[str] = "search"
    version: ClassVar[int] = 3

    n_candidates: int = 100
    max_candidates: int = 5000
    n_always: int = 2
    least_votes: float = 5.0
    least_ratio: float = 2.5
    limit: int = 20
    stop_ratio: float = 10.0
    mirrored: bool = True
    match: MatchSettings = field(default_factory=MatchSettings)

    def __post_init__(self) -> None:
        validate(self)
        require(self.n_candidates >= 1, "n_candidates", self.n_candidates, "at least 1")
        require(self.max_candidates >= 1, "max_candidates", self.max_candidates, "at least 1")
        require(self.n_always >= 0, "n_always", self.n_always, "0 or more")
        require(self.least_votes >= 0, "least_votes", self.least_votes, "0 or more")
        require(self.least_ratio >= 1, "least_ratio", self.least_ratio, "at least 1")
        require(0 <= self.limit <= 64, "limit", self.limit, "from 0 to 64 bits")
        require(self.stop_ratio >= 1, "stop_ratio", self.stop_ratio, "at least 1")
