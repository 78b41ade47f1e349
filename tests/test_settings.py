"""The limits of all settings: the last value that is accepted and the first that is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from classicvision.backbone.preprocessing import Preprocessing
from classicvision.classify.recipe import LogisticSettings, Recipe, Several, SvmSettings
from classicvision.copies.settings import SearchSettings
from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.fisher import FisherSettings
from classicvision.encoding.llc import LlcSettings
from classicvision.encoding.vlad import VladSettings
from classicvision.errors import SettingsError
from classicvision.evaluation.keypoints import MatchingProtocol
from classicvision.evaluation.plan import BenchmarkSettings
from classicvision.features.binary import Akaze, Orb
from classicvision.features.dense import DenseSift
from classicvision.features.sift import Sift
from classicvision.index.settings import IndexSettings
from classicvision.matching.settings import CopyMoveSettings, MatchSettings

ABOVE_0 = math.ulp(0.0)
ABOVE_1, BELOW_1 = math.nextafter(1, 2), math.nextafter(1, 0)

LIMITS = [
    # settings, name, accepted, refused
    (MatchSettings(), "ratio", (ABOVE_0, 1.0), (0.0, ABOVE_1)),
    (MatchSettings(), "min_keypoints", (3,), (2,)),
    (MatchSettings(), "threshold", (0.0,), (-ABOVE_0,)),
    (MatchSettings(), "max_regions", (1,), (0,)),
    (CopyMoveSettings(), "ratio", (ABOVE_0, 1.0), (0.0, ABOVE_1)),
    (CopyMoveSettings(), "threshold", (0.0,), (-ABOVE_0,)),
    (CopyMoveSettings(), "least_shift", (ABOVE_0, BELOW_1), (0.0, 1.0)),
    (CopyMoveSettings(), "max_regions", (1,), (0,)),
    (SearchSettings(), "n_candidates", (1,), (0,)),
    (SearchSettings(), "n_always", (0,), (-1,)),
    (SearchSettings(), "least_votes", (0.0,), (-ABOVE_0,)),
    (SearchSettings(), "least_ratio", (1.0,), (BELOW_1,)),
    (SearchSettings(), "limit", (0, 64), (-1, 65)),
    (SearchSettings(), "stop_ratio", (1.0,), (BELOW_1,)),
    (IndexSettings(), "n_words", (2, 2**20), (1, 2**20 + 1)),
    (IndexSettings(), "n_samples", (1, 10**8), (0, 10**8 + 1)),
    (IndexSettings(), "seed", (0,), (-1,)),
    (Sift(), "n_layers", (1,), (0,)),
    (Sift(), "sigma", (ABOVE_0, 100.0), (0.0, math.nextafter(100, 101))),
    (Sift(), "contrast", (0.0, 1.0), (-ABOVE_0, ABOVE_1)),
    (Sift(), "edge_ratio", (1.0,), (BELOW_1,)),
    (Sift(), "max_features", (1,), (0,)),
    (Sift(), "max_side", (1,), (0,)),
    (DenseSift(), "step", (1, 1000), (0, 1001)),
    (DenseSift(), "contrast", (0.0, 1.0), (-ABOVE_0, ABOVE_1)),
    (DenseSift(), "magnification", (1.0, 1e6), (BELOW_1, 1e6 + 1)),
    (DenseSift(), "window", (0.1, 1e6), (0.099, 1e6 + 1)),
    (DenseSift(), "min_side", (1,), (0,)),
    (DenseSift(), "max_side", (1,), (0,)),
    (DenseSift(), "enlarge", (1.0, 16.0), (BELOW_1, 16.1)),
    (Orb(), "max_features", (1,), (0,)),
    (Akaze(), "threshold", (ABOVE_0,), (0.0,)),
    (BovwSettings(), "n_words", (1, 100_000), (0, 100_001)),  # no more than samples
    (BovwSettings(), "n_neighbors", (1, 1001), (0,)),
    (BovwSettings(assignment="soft"), "n_neighbors", (1, 1000), (0, 1001)),
    (BovwSettings(), "softness", (1e-3, 1e3), (0.9e-3, 1.1e3)),
    (FisherSettings(), "n_components", (1, 250_000), (0, 250_001)),
    (FisherSettings(), "n_dims", (1, 128), (0, 129)),
    (FisherSettings(), "n_iterations", (0,), (-1,)),
    (FisherSettings(), "power", (ABOVE_0, 1.0), (0.0, ABOVE_1)),
    (LlcSettings(n_neighbors=1), "n_words", (1, 8192), (0, 8193)),
    (LlcSettings(), "n_samples", (1024,), (1023,)),
    (LlcSettings(), "n_neighbors", (1, 64), (0, 65)),
    (LlcSettings(), "regularization", (1e-5, 1e5), (0.9e-5, 1.1e5)),
    (VladSettings(), "n_words", (1, 250_000), (0, 250_001)),
    (VladSettings(), "n_dims", (1, 128), (0, 129)),
    (VladSettings(), "power", (ABOVE_0, 1.0), (0.0, ABOVE_1)),
    (SvmSettings(), "costs", ((1e-6,), (1e6, 1.0)), ((), (0.9e-6,), (1.0, 1.1e6))),
    (SvmSettings(), "folds", (2,), (1,)),
    (LogisticSettings(), "costs", ((1e-6,), (1e6, 1.0)), ((), (0.9e-6,), (1.0, 1.1e6))),
    (LogisticSettings(), "folds", (2,), (1,)),
    (Recipe(), "seed", (0, 2**32 - 1), (-1, 2**32)),
    (Preprocessing(), "white", (ABOVE_0, 65535.0), (0.0, 65536.0)),
    (Preprocessing(), "crop", (1, 256), (0, 257)),  # no more than what is resized
    (BenchmarkSettings(), "n_splits", (1, 1000), (0, 1001)),
    (BenchmarkSettings(), "n_train", (2,), (1,)),
    (BenchmarkSettings(), "n_corrupted", (1,), (0,)),
    (BenchmarkSettings(), "n_timed", (1,), (0,)),
    (BenchmarkSettings(), "seed", (0, 2**31 - 1), (-1, 2**31)),
    (MatchingProtocol(), "max_side", (16,), (15,)),
    (MatchingProtocol(), "n_keypoints", (1,), (0,)),
    (MatchingProtocol(), "ratio", (ABOVE_0, 1.0), (0.0, ABOVE_1)),
    (MatchingProtocol(), "threshold", (ABOVE_0,), (0.0,)),
    (MatchingProtocol(), "scale_factor", (ABOVE_1,), (1.0,)),
    (MatchingProtocol(), "n_hypotheses", (1,), (0,)),
    (MatchingProtocol(), "seed", (0,), (-1,)),
]


@pytest.mark.parametrize(
    ("settings", "name", "accepted", "refused"), LIMITS, ids=[f"{type(row[0]).__name__}-{row[1]}" for row in LIMITS]
)
def test_a_setting_is_accepted_up_to_its_limits_and_refused_beyond(settings, name, accepted, refused):
    for value in accepted:
        assert getattr(replace(settings, **{name: value}), name) == value
    for value in refused:
        with pytest.raises(SettingsError, match=rf"\b{name}\b"):
            replace(settings, **{name: value})


def test_settings_have_the_versions_by_which_their_results_are_cached():
    """Raise a version, here too, when the same settings begin to give other results."""
    settings = {type(row[0]) for row in LIMITS if hasattr(row[0], "kind")} | {Several}
    later = {"fisher": 2, "index": 2, "linear-svm": 2, "match": 3, "search": 3, "vlad": 2}
    assert {one.kind: one.version for one in settings} == {one.kind: later.get(one.kind, 1) for one in settings}
