"""The result of a search for copies: pairs with their evidence, the groups they form, and undecided images."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.result import MatchResult, Region
from classicvision.matching.transform_text import decompose, depth

if TYPE_CHECKING:
    from classicvision.extraction import Failure
    from classicvision.features.local import LocalFeatures

__all__ = ["LABELS", "Finding", "Findings", "Group", "Incomplete", "Scope", "Undecided", "region_points"]

LABELS: Final = (
    "exact",
    "same pixels",
    "mirrored",
    "inverted",
    "rotated",
    "scaled",
    "cropped",
    "perspective",
    "several regions",
    "recoloured",
    "content differs",
    "template",
    "same scene",
    "unverified",
    "signature",
    "backbone",
)
"""All values of `Finding.labels`, in its order."""

Scope: TypeAlias = Literal["against", "among", "within"]
"""What queries are compared with: references, each other, or only themselves."""

# Least changes that get a label. JPEG and resampling move a fitted transform by far less.
MIN_DEGREES = 2.0
MIN_SCALE = 1.05
MAX_WHOLE = 0.9  # share of an image from which it counts as shown completely
MAX_SHOWN = 10  # findings in the table that a notebook shows

_CERTAINTY = {"bytes": 0, "pixels": 0, "keypoints": 1, "signature": 2, "backbone": 3}


@dataclass(frozen=True, eq=False)
class Finding:
    """Two images of which one copies the other, or an image that copies a part of itself.

    Attributes
    ----------
    path_a, path_b : Path
        The query and the reference. Equal for a part that was copied within one image.
    result : MatchResult
        Its verdict is ``copy``.
    points : tuple of (2, M, 2) float32
        For each region of the result the positions of its M matches in a and in b, in pixels.
    """

    path_a: Path
    path_b: Path
    result: MatchResult
    points: tuple[NDArray[np.float32], ...] = ()

    @property
    def is_within(self) -> bool:
        """Whether the copy is in the image that it was copied from."""
        return self.path_a == self.path_b

    @property
    def share_a(self) -> float:
        """Share of the area of a that the largest region covers; 1 for images that were compared as a whole."""
        return max((region.share_a for region in self.result.regions), default=1.0)

    @property
    def share_b(self) -> float:
        """Share of the area of b that the largest region covers; 1 for images that were compared as a whole."""
        return max((region.share_b for region in self.result.regions), default=1.0)

    @property
    def labels(self) -> tuple[str, ...]:
        """What was done to the image, as words to filter by: some of `LABELS`, in its order."""
        if self.result.is_equal:
            return ("exact" if self.result.method == "bytes" else "same pixels",)
        if self.result.method in ("signature", "backbone"):
            return (self.result.method,)
        facts = _facts(self.result.regions)
        facts["cropped"] = not self.is_within and min(self.share_a, self.share_b) < MAX_WHOLE
        facts |= _pixel_facts(self.result.regions)
        facts["unverified"] &= not self.is_within
        return tuple(label for label in LABELS if facts.get(label))


@dataclass(frozen=True)
class Undecided:
    """An image with too few keypoints to decide whether it is a copy."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Incomplete:
    """A query whose search ended at a limit, so that more copies of it may exist."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Group:
    """Images that findings connect, directly or through others.

    Attributes
    ----------
    paths : tuple of Path
        Sorted.
    rows : tuple of int
        Positions in `Findings.findings` of the findings between them, best first.
    """

    paths: tuple[Path, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Findings:
    """The result of a search for copies.

    Attributes
    ----------
    findings : tuple of Finding
        Best first: equal files and pixels, then by significance, then by share of the image; signatures and backbones
        last.
    related : tuple of Finding
        Pairs that are not copies, best first: they share a layout with other content, or show one scene or printed
        thing that was photographed twice.
    groups : tuple of Group
        The group of the best finding first.
    scope : {"against", "among", "within"}
        Whether the queries were compared with references, with each other, or only with themselves.
    undecided : tuple of Undecided
        Queries with too few keypoints. Only equal bytes, the signature and a backbone can find their copies.
    incomplete : tuple of Incomplete
        Queries of which more copies may exist: the search ended at `SearchSettings.max_candidates`.
    failures : tuple of Failure
        Files that could not be read.
    n_queries, n_references : int
        Images that were compared, and images that they were compared with.
    queries, references : str
        Their paths as the user gave them. `references` is empty unless the scope is ``against``.
    settings : mapping
        The settings of the search, as plain values, for display.
    seconds : float
        Wall time.
    n_small : int
        Findings that `covering` removed.
    """

    findings: tuple[Finding, ...]
    related: tuple[Finding, ...]
    groups: tuple[Group, ...]
    scope: Scope
    undecided: tuple[Undecided, ...]
    incomplete: tuple[Incomplete, ...]
    failures: tuple[Failure, ...]
    n_queries: int
    n_references: int
    queries: str
    references: str
    settings: Mapping[str, Any]
    seconds: float
    n_small: int = 0

    @classmethod
    def of(
        cls,
        findings: Iterable[Finding],
        scope: Scope = "among",
        *,
        related: Iterable[Finding] = (),
        undecided: tuple[Undecided, ...] = (),
        incomplete: tuple[Incomplete, ...] = (),
        failures: tuple[Failure, ...] = (),
        n_queries: int = 0,
        n_references: int = 0,
        queries: str = "",
        references: str = "",
        settings: Mapping[str, Any] | None = None,
        seconds: float = 0.0,
    ) -> Findings:
        """Sort and group findings; the other parameters are attributes."""
        best_first = tuple(sorted(findings, key=_rank))
        return cls(
            best_first,
            tuple(sorted(related, key=_rank)),
            _groups(best_first),
            scope,
            undecided,
            incomplete,
            failures,
            n_queries,
            n_references,
            queries,
            references,
            settings or {},
            seconds,
        )

    def covering(self, least_share: float) -> Self:
        """Return the findings without those that cover less than a share of both images, and count these.

        Parameters
        ----------
        least_share : float
            From 0 to 1. Larger values remove more, such as what images share only by a logo or a letterhead. An image
            that lies completely in another is kept, however small it is there.
        """
        kept = tuple(one for one in self.findings if max(one.share_a, one.share_b) >= least_share)
        n_small = self.n_small + len(self.findings) - len(kept)
        return replace(self, findings=kept, groups=_groups(kept), n_small=n_small)

    def __repr__(self) -> str:
        copies, groups = _count(len(self.findings), "copy", "copies"), _count(len(self.groups), "group", "groups")
        parts = [f"{copies} in {groups}", self._compared()]
        if self.undecided:
            parts.append(f"{len(self.undecided):,} undecided")
        if self.incomplete:
            parts.append(f"{len(self.incomplete):,} with more copies than were compared")
        if self.failures:
            parts.append(f"{len(self.failures):,} unreadable")
        return f"<Findings: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("a", "b", "labels", "score"))
        rows = "".join(f"<tr>{_html_cells(finding)}</tr>" for finding in self.findings[:MAX_SHOWN])
        n_more = len(self.findings) - MAX_SHOWN
        more = f'<tr><td colspan="4">... and {n_more:,} more</td></tr>' if n_more > 0 else ""
        return f"<table><caption>{html.escape(repr(self)[1:-1])}</caption><tr>{head}</tr>{rows}{more}</table>"

    def _compared(self) -> str:
        images = f"{_count(self.n_queries, 'image', 'images')} compared"
        if self.scope == "against":
            return f"{images} with {self.n_references:,}"
        return f"{images} with {'each other' if self.scope == 'among' else 'themselves'}"


def region_points(result: MatchResult, a: LocalFeatures, b: LocalFeatures) -> tuple[NDArray[np.float32], ...]:
    """Return the positions of the matches of each region: `Finding.points`.

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
        "inverted": any(region.is_inverted for region in regions),
        "rotated": any(abs(change.rotation) >= MIN_DEGREES for change in changes),
        "scaled": any(max(change.scale, 1 / change.scale) >= MIN_SCALE for change in changes),
        "perspective": any(depth(region) >= MIN_SCALE for region in regions),
        "several regions": len(regions) > 1,
    }


def _pixel_facts(regions: tuple[Region, ...]) -> dict[str, bool]:
    evidence = [region.pixels for region in regions if region.pixels]
    relations = {one.relation for one in evidence}
    return {
        "recoloured": any(one.recoloured for one in evidence),
        "content differs": "edited" in relations,
        "template": "template" in relations,
        "same scene": "same scene" in relations,
        "unverified": not evidence,
    }


def _rank(finding: Finding) -> tuple[int, float, float, tuple[str, ...], tuple[str, ...]]:
    """Return the sort key of findings, with the paths last so that the order is deterministic."""
    share = max(finding.share_a, finding.share_b)
    certainty = _CERTAINTY[finding.result.method]
    return certainty, -finding.result.score, -share, finding.path_a.parts, finding.path_b.parts


def _groups(findings: tuple[Finding, ...]) -> tuple[Group, ...]:
    """Return the connected components of the graph whose edges are the findings."""
    parent: dict[Path, Path] = {}

    def root(path: Path) -> Path:
        above = parent.setdefault(path, path)
        while above != path:  # path halving, so that chains of copies stay short
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


def _count(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _html_cells(finding: Finding) -> str:
    score = "" if finding.result.is_equal else f"{finding.result.score:.1f}"
    cells = (str(finding.path_a), str(finding.path_b), ", ".join(finding.labels), score)
    return "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
