"""Parts copied within a picture, for many pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from classicvision.cache import FeatureCache
from classicvision.copies.findings import Finding, region_points
from classicvision.copies.queries import Answer, Suspect
from classicvision.features.local import LocalFeatures
from classicvision.items import Items
from classicvision.matching.copymove import find_copy_moves
from classicvision.matching.result import MatchResult
from classicvision.matching.settings import CopyMoveSettings
from classicvision.workers import in_order

__all__ = ["search_within"]


def search_within(
    pictures: Sequence[Suspect],
    cache: FeatureCache,
    settings: CopyMoveSettings,
    *,
    n_workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """Look in each picture for parts that stand in it a second time.

    Parameters
    ----------
    pictures : sequence of Suspect
    cache : FeatureCache
        Has the features of each.
    settings : CopyMoveSettings
    n_workers, progress
        As for `search_suspects`.

    Returns
    -------
    list of Answer
        In the order of the pictures; each has one finding or none.
    """
    return in_order(_Within(cache, settings), pictures, n_workers, progress)


@dataclass(frozen=True)
class _Within:
    cache: FeatureCache
    settings: CopyMoveSettings

    def __call__(self, picture: Suspect) -> Answer:
        features: LocalFeatures = Items[LocalFeatures](self.cache, (picture.key,))[0]
        regions = find_copy_moves(features, self.settings)
        if not regions:
            return Answer((), len(features), features.image_size)
        n_pairs = sum(len(region.pairs) for region in regions)
        result = MatchResult(
            verdict="copy",
            method="keypoints",
            regions=regions,
            score=regions[0].significance,
            n_keypoints=(len(features), len(features)),
            n_matches=n_pairs,
            image_sizes=(features.image_size, features.image_size),
            reason=f"{n_pairs} keypoints stand in the picture a second time",
        )
        finding = Finding(picture.path, picture.path, result, region_points(result, features, features))
        return Answer((finding,), len(features), features.image_size)
