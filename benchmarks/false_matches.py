"""The score distribution of unrelated images, and the threshold that follows from its tail.

Images of BSDS500's training set, Caltech-101 and Scene-15; random pairs across classes, with BSDS500 as one class. The
typical causes of false matches are added: `synthetic.lookalikes`, compared within each kind. The tail is fitted to one
half of the pairs, and the false matches at its thresholds are counted in the other half.

    python benchmarks/false_matches.py --pairs 200000 --jobs 2 --json false_matches.json
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from typing import Any

import machine
import numpy as np
import protocol
from numpy.typing import NDArray

from classicvision import config, workflows
from classicvision.cache import FeatureCache, default_cache_folder
from classicvision.matching.calibration import fit_calibration
from classicvision.matching.pair import match_features
from classicvision.matching.settings import MATCHING_SIFT, MatchSettings
from classicvision.synthetic.lookalikes import LOOKALIKES

# Two photographs of the same field, in two classes of Scene-15; this benchmark found them.
RELATED = [{"forest/image_0270.jpg", "open_country/image_0357.jpg"}]
RATES = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
N_LOOKALIKES = 30  # of each kind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocol.add_common_options(parser)
    parser.add_argument("--pairs", type=int, default=200_000, help="default %(default)s")
    arguments = parser.parse_args()
    data = protocol.shared_data()
    run = workflows.calibrate(
        [data / "bsds500" / "train", data / "caltech101", data / "scene15"],
        n_pairs=arguments.pairs,
        across_folders=True,
        cache=FeatureCache(default_cache_folder()),
        n_jobs=arguments.jobs,
    )
    alike = {kind: lookalikes(kind) for kind in LOOKALIKES}
    photographs = unrelated_scores(run)
    scores = np.concatenate([photographs, *(row["scores"] for row in alike.values())])
    result = run.to_dict() | {
        "machine": machine.describe(),
        "together": config.to_dict(
            fit_calibration(scores, n_images=run.calibration.n_images + len(alike) * N_LOOKALIKES)
        ),
        "falling": np.sort(photographs)[::-1][:1000].round(3).tolist(),
        "halves": kept_out(scores),
        "lookalikes": alike,
    }
    report(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), "utf-8")


def unrelated_scores(run: workflows.CalibrationRun) -> NDArray[np.float64]:
    """Return the scores of all pairs except those known to show the same scene."""
    scores = run.scores
    for pair in run.worst:
        if {"/".join(path.parts[-2:]) for path in (pair.path_a, pair.path_b)} in RELATED:
            scores = np.delete(scores, np.argmin(np.abs(scores - pair.score)))
    return scores


def kept_out(scores: NDArray[np.float64]) -> list[dict[str, float]]:
    """Fit the tail on each half of the pairs and count the false matches in the other half."""
    shuffled = np.random.default_rng(0).permutation(scores)
    halves = np.array_split(shuffled, 2)
    rows = []
    for fitted, kept in (halves, halves[::-1]):
        calibration = fit_calibration(fitted, n_images=0)
        for rate in RATES:
            threshold = calibration.threshold_for(rate)
            n_false = int((kept > threshold).sum())
            rows.append({"rate": rate, "threshold": threshold, "expected": rate * len(kept), "n_false": n_false})
    return rows


def lookalikes(kind: str) -> dict[str, Any]:
    images = [LOOKALIKES[kind](np.random.default_rng([7, number])) for number in range(N_LOOKALIKES)]
    features = [MATCHING_SIFT(image) for image in images]
    found = [match_features(a, b) for a, b in combinations(features, 2)]
    scores = sorted((result.score for result in found), reverse=True)
    return {
        "n_pairs": len(found),
        "n_false": sum(result.verdict == "copy" for result in found),
        "n_undecided": sum(result.verdict == "cannot decide" for result in found),
        "scores": [round(score, 3) for score in scores],
    }


def report(result: dict[str, Any]) -> None:
    print(f"photographs: {result['calibration']}\nwith lookalikes: {result['together']}")
    print(f"threshold {MatchSettings().threshold}; highest scores {result['falling'][:10]}")
    print("| false-match rate | threshold from one half | expected in the other | found |")
    print("| ---: | ---: | ---: | ---: |")
    for row in result["halves"]:
        print(f"| {row['rate']:.0e} | {row['threshold']:.2f} | {row['expected']:.0f} | {row['n_false']} |")
    print("\n| lookalikes | pairs | false | undecided | highest scores |")
    print("| --- | ---: | ---: | ---: | --- |")
    for kind, row in result["lookalikes"].items():
        highest = ", ".join(f"{score:.1f}" for score in row["scores"][:5])
        print(f"| {kind} | {row['n_pairs']} | {row['n_false']} | {row['n_undecided']} | {highest} |")
    for pair in result["worst"]:
        print(f"{pair['score']:.1f} {pair['a']} {pair['b']}")


if __name__ == "__main__":
    main()
