"""Whole images and a network: which pairs are compared, and how often features are requested."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from classicvision.copies import whole_image_search, whole_images
from classicvision.copies.whole_images import WholeImage, compare_whole_images_by_backbone
from classicvision.features.global_features import GlobalFeatures
from classicvision.matching.global_match import HASH_THRESHOLD
from classicvision.matching.likeness import Likeness

FEW = 100


class Recorder:
    """A fallback whose features are numbers: it notes each pair, and finds those of one number."""

    threshold = HASH_THRESHOLD
    calibration = None

    def __init__(self):
        self.pairs = []

    def compare(self, a, b):
        self.pairs += [(int(a.features[0]), int(number)) for number in b.features[:, 0]]
        cosine = 1 / (1 + np.abs(b.features[:, 0] - a.features[0]))
        return Likeness(np.where(cosine == 1, 20.0, 0.0), np.zeros(len(cosine), int), cosine)


@pytest.fixture
def side():
    """Return a function that makes images whose names are numbers, the given ones with too few keypoints."""

    def make(numbers, few, seed):
        rng = np.random.default_rng(seed)
        return [
            WholeImage(
                Path(str(n)),
                f"{seed}-{n}",
                FEW - (n in few),
                (90, 90),
                GlobalFeatures("", rng.choice([-1.0, 1.0], 256)),
            )
            for n in numbers
        ]

    return make


@pytest.fixture(params=[3, 256])
def requested(request, monkeypatch):
    """Return a count of the features that were requested, and the function to ask, with blocks of some sizes."""
    monkeypatch.setattr(whole_images, "BLOCK", request.param)
    count = Counter()

    def features(image):
        count[image.content] += 1
        return np.array([float(image.path.name)], np.float32)

    return count, features


@pytest.mark.parametrize(
    ("few_a", "few_b"), [((), ()), ((4,), ()), ((), (4, 13)), ((1, 8), (2, 13)), (range(9), range(14))]
)
def test_the_pairs_with_an_image_of_few_keypoints_are_compared_each_once(side, requested, few_a, few_b):
    a, b, recorder = side(range(9), few_a, 1), side(range(14), few_b, 2), Recorder()
    compare_whole_images_by_backbone(a, b, requested[1], recorder, min_keypoints=FEW)
    assert sorted(recorder.pairs) == [(x, y) for x, y in product(range(9), range(14)) if x in few_a or y in few_b]


def test_findings_and_nearest_do_not_depend_on_blocks(side, requested):
    a, b = side([*range(9), 40], [1, 8, 40], 1), side(range(5, 14), [6, 13], 2)
    found, nearest = compare_whole_images_by_backbone(a, b, requested[1], Recorder(), min_keypoints=FEW)
    assert sorted((f.path_a.name, f.path_b.name) for f in found) == [("6", "6"), ("8", "8")]
    expected = {0: 6, 1: 5, 2: 6, 3: 6, 4: 6, 5: 6, 7: 6, 40: 13}
    assert {int(path.name): int(one.path.name) for path, one in nearest.items()} == expected


def test_an_image_of_few_keypoints_is_compared_with_all_others(side, requested, monkeypatch):
    (count, features), compared = requested, []
    monkeypatch.setattr(whole_images, "hash_significance", lambda a, b: compared.extend(b) or np.zeros(len(b)))
    a, b = side(range(30), [7], 1), side(range(30), [7], 2)
    compare_whole_images_by_backbone(a, b, features, Recorder(), min_keypoints=FEW)
    assert len(compared) == 30 + 29
    assert (max(count.values()), sum(count.values())) == (2, 30 + 30 + 1)  # number 7 of the library, on both ways


@pytest.mark.parametrize("are_few", [False, True])
def test_no_file_is_read_where_there_is_nothing_to_compare(side, monkeypatch, are_few):
    monkeypatch.setattr(whole_image_search, "extract", None)
    a, b = side([1, 2], (), 1), side([3], (3,), 2)
    options = {"min_keypoints": FEW, "cache": None, "n_jobs": 1, "progress": None}
    pairs = ((b, []), ([], b)) if are_few else ((a, a), (a, []))
    for queries, references in pairs:
        assert whole_image_search.search_by_network(queries, references, None, **options).findings == []
