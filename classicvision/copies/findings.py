"""What a search for copies found: pairs with their evidence, the groups they form, and what could not be decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.result import MatchResult, Region
from classicvision.matching.transform_text import decompose, depth

if TYPE_CHECKING:
    from classicvision.extraction import Failure
    from classicvision.features.local import LocalFeatures

__all__ = ["LABELS", "Finding", "Findings", "Group", "Undecided", "region_points"]

LABELS: Final = (
    "exact",
    "mirrored",
    "rotated",
    "scaled",
    "cropped",
    "perspective",
    "several regions",
    "signature",
    "backbone",
)
"""Everything that `Finding.labels` can say, in its order."""

# From where a change has a name. JPEG and resampling move a fitted transform by far less.
MIN_DEGREES = 2.0
MIN_SCALE = 1.05
MAX_WHOLE = 0.9  # share of a picture that is shared, from which it counts as shown whole

_CERTAINTY = {"bytes": 0, "keypoints": 1, "signature": 2, "backbone": 3}


@dataclass(frozen=True, eq=False)
class Finding:
    """Two pictures of which one copies the other, or a picture that copies itself.

    Attributes
    ----------
    path_a, path_b : Path
        The suspect and the picture of the library. Equal for a part that was copied within one picture.
    result : MatchResult
        Its verdict is ``copy``.
    points : tuple of (2, M, 2) float32
        For each region of the result the positions of its M matches, those in a and those in b, in pixels.
    """

    path_a: Path
    path_b: Path
    result: MatchResult
    points: tuple[NDArray[np.float32], ...] = ()

    @property
    def is_within(self) -> bool:
        """Whether the copy lies in the picture it was taken from."""
        return self.path_a == self.path_b

    @property
    def share_a(self) -> float:
        """Share of the area of a that the largest region covers; 1 for pictures that were compared as a whole."""
        return max((region.share_a for region in self.result.regions), default=1.0)

    @property
    def share_b(self) -> float:
        """Share of the area of b that the largest region covers; 1 for pictures that were compared as a whole."""
        return max((region.share_b for region in self.result.regions), default=1.0)

    @property
    def labels(self) -> tuple[str, ...]:
        """What was done to the picture, as words to filter by: some of `LABELS`, in its order."""
        if self.result.method == "bytes":
            return ("exact",)
        if self.result.method in ("signature", "backbone"):
            return (self.result.method,)
        facts = _facts(self.result.regions)
        facts["cropped"] = not self.is_within and min(self.share_a, self.share_b) < MAX_WHOLE
        return tuple(label for label in LABELS if facts.get(label))


@dataclass(frozen=True)
class Undecided:
    """A picture whose keypoints are too few to say whether it is a copy."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Group:
    """Pictures that findings connect, directly or through others.

    Attributes
    ----------
    paths : tuple of Path
        Sorted.
    rows : tuple of int
        Where the findings between them stand in `Findings.findings`, best first.
    """

    paths: tuple[Path, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that a search for copies has to say.

    Attributes
    ----------
    findings : tuple of Finding
        Best first: equal files, then by significance, then by share of the picture; signatures and backbones last.
    groups : tuple of Group
        The group of the best finding first.
    undecided : tuple of Undecided
        Suspects with too few keypoints. Only equal bytes, the signature and a backbone can find their copies.
    failures : tuple of Failure
        Files that could not be read.
    n_suspects, n_library : int
        Pictures that were compared, and pictures they were compared with.
    suspects, library : str
        Where they are, as the user named it. The library is empty if the suspects were compared among themselves.
    is_within : bool
        Whether each suspect was compared with itself only.
    settings : mapping
        How it was searched, as plain values. Only shown.
    seconds : float
        Wall time.
    """

    findings: tuple[Finding, ...]
    groups: tuple[Group, ...]
    undecided: tuple[Undecided, ...] = ()
    failures: tuple[Failure, ...] = ()
    n_suspects: int = 0
    n_library: int = 0
    suspects: str = ""
    library: str = ""
    is_within: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def of(cls, findings: Iterable[Finding], **facts: Any) -> Findings:
        """Put findings in order, group them, and keep them with the facts, which are attributes."""
        best_first = tuple(sorted(findings, key=_rank))
        return cls(best_first, _groups(best_first), **facts)


def region_points(result: MatchResult, a: LocalFeatures, b: LocalFeatures) -> tuple[NDArray[np.float32], ...]:
    """Return the positions of the matches of each region, as `Finding.points` has them.

    Parameters
    ----------
    result : MatchResult
        Of a and b.
    a, b : LocalFeatures
    """
    return tuple(np.stack([a.xy[r.pairs[:, 0]], b.xy[r.pairs[:, 1]]]) for r in result.regions)


def _facts(regions: tuple[Region, ...]) -> dict[str, bool]:
    changes = [decompose(region.b_from_a, tuple(region.polygon_a.mean(axis=0).tolist())) for region in regions]
    return {
        "mirrored": any(region.is_mirrored for region in regions),
        "rotated": any(abs(change.rotation) >= MIN_DEGREES for change in changes),
        "scaled": any(max(change.scale, 1 / change.scale) >= MIN_SCALE for change in changes),
        "perspective": any(depth(region) >= MIN_SCALE for region in regions),
        "several regions": len(regions) > 1,
    }


def _rank(finding: Finding) -> tuple[int, float, float, tuple[str, ...], tuple[str, ...]]:
    """Return what puts findings in order, with the paths so that no order depends on chance."""
    share = max(finding.share_a, finding.share_b)
    certainty = _CERTAINTY[finding.result.method]
    return certainty, -finding.result.score, -share, finding.path_a.parts, finding.path_b.parts


def _groups(findings: tuple[Finding, ...]) -> tuple[Group, ...]:
    """Return the connected components of the graph whose edges are the findings."""
    parent: dict[Path, Path] = {}

    def root(path: Path) -> Path:
        above = parent.setdefault(path, path)
        while above != path:  # halve the way, so that chains of copies stay short
            parent[path] = parent[above]
            path, above = above, parent[above]
        return path

    for finding in findings:
        parent[root(finding.path_b)] = root(finding.path_a)
    paths: dict[Path, set[Path]] = {}
    rows: dict[Path, list[int]] = {}
    for row, finding in enumerate(findings):
        top = root(finding.path_a)
        paths.setdefault(top, set()).update((finding.path_a, finding.path_b))
        rows.setdefault(top, []).append(row)
    return tuple(Group(tuple(sorted(paths[top], key=lambda p: p.parts)), tuple(rows[top])) for top in rows)
