"""A benchmark of recipes as data for JSON, with the schema `benchmark.schema.json` in this folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.evaluation.conclusion import conclude, find_disagreements
from classicvision.evaluation.machine import machine_facts
from classicvision.report.plain import plain, text

if TYPE_CHECKING:
    from classicvision.evaluation.benchmark_result import Benchmark, RecipeResult
    from classicvision.evaluation.comparison import Verdict
    from classicvision.evaluation.leakage import Leakage
    from classicvision.evaluation.statistics import ConfidenceInterval

__all__ = ["benchmark_to_dict"]

FORMAT = "classicvision-benchmark"
VERSION = 1
"""Increased when a program for the old data would misread the new; a new key alone does not increase it."""


def benchmark_to_dict(benchmark: Benchmark) -> dict[str, Any]:
    """Return a benchmark as plain values for JSON; unknown values are None.

    Parameters
    ----------
    benchmark : Benchmark

    Returns
    -------
    dict
        As `benchmark.schema.json` describes it. Accuracies are in [0, 1].
    """
    images = benchmark.images
    return {
        "format": FORMAT,
        "version": VERSION,
        "source": text(images.root),
        "conclusion": text(conclude(benchmark.comparison)),
        "is_lite": benchmark.is_lite,
        "n_images": len(images),
        "classes": [text(name) for name in images.classes],
        "n_train": int(benchmark.splits[0].train.size),
        "n_test": [len(split.test) for split in benchmark.splits],
        "settings": plain(config.to_dict(benchmark.settings)),
        "recipes": [_recipe_result(benchmark, result) for result in benchmark.results],
        "verdicts": [_verdict(verdict) for verdict in benchmark.comparison.verdicts],
        "disagreements": _disagreements(benchmark),
        "leakage": [_leakage(one) for one in benchmark.leakage],
        "failures": [{"path": text(f.path), "reason": text(f.reason)} for f in benchmark.failures],
        "machine": plain(machine_facts()),
    }


def _recipe_result(benchmark: Benchmark, result: RecipeResult) -> dict[str, Any]:
    accuracy = benchmark.comparison.accuracies[result.name]
    confusion = _confusion(benchmark, result)
    cost, of_splits = result.cost, result.split_results
    return {
        "name": text(result.name),
        "argument": text(benchmark.arguments.get(result.name, result.name)),
        "accuracy": accuracy.mean.value,
        "interval": _interval(accuracy.mean),
        "deviation": accuracy.deviation,
        "per_split": accuracy.per_split.tolist(),
        "recall": _recall(confusion),
        "confusion": confusion.tolist(),
        "curve": [{"n_train": n, "accuracies": list(found)} for n, found in result.curve.items()],
        "corrupted": _corrupted(result),
        "uncorrupted": result.corrupted.get(None),
        "milliseconds": plain(
            {name: getattr(cost, name) for name in ("read", "extract", "encode", "predict", "total")}
        ),
        "peak_mb": plain(cost.peak_mb),
        "training_seconds": float(np.median([one.seconds for one in of_splits])),
        "n_outputs": of_splits[0].n_outputs,
        "n_bytes": of_splits[0].n_bytes,
        "costs": [one.cost for one in of_splits],
        "weights": [list(one.weights) for one in of_splits],
        "recipe": plain(config.to_dict(result.recipe)),
    }


def _confusion(benchmark: Benchmark, result: RecipeResult) -> NDArray[np.int64]:
    """Return how often each class was taken for each, (K, K), over all splits: rows are true, columns predicted."""
    images = benchmark.images
    index = {name: number for number, name in enumerate(images.classes)}
    counts = np.zeros((len(index), len(index)), np.int64)
    for split, one in zip(benchmark.splits, result.split_results, strict=True):
        true = [index[images.labels[row]] for row in split.test]
        np.add.at(counts, (np.array(true), one.predicted), 1)
    return counts


def _recall(confusion: NDArray[np.int64]) -> list[float | None]:
    support = confusion.sum(axis=1)
    return [int(n) / int(of) if of else None for n, of in zip(np.diagonal(confusion), support, strict=True)]


def _corrupted(result: RecipeResult) -> list[dict[str, Any]]:
    return [
        {
            "name": corruption.name,
            "strength": corruption.strength,
            "description": corruption.description,
            "accuracy": accuracy,
        }
        for corruption, accuracy in result.corrupted.items()
        if corruption is not None
    ]


def _verdict(verdict: Verdict) -> dict[str, Any]:
    per_split = verdict.per_split
    return {
        "a": text(verdict.a),
        "b": text(verdict.b),
        "better": None if verdict.better is None else text(verdict.better),
        "sentence": text(verdict.sentence),
        "difference": verdict.difference.value,
        "interval": _interval(verdict.difference),
        "n_only_a": verdict.per_image.n_only_a,
        "n_only_b": verdict.per_image.n_only_b,
        "p_per_image": verdict.per_image.p,
        "mid_p_per_image": verdict.per_image.mid_p,
        "p_per_split": None if per_split is None else per_split.p,
        "interval_per_split": None if per_split is None else plain(_interval(per_split.difference)),
        "p": verdict.p,
        "adjusted_p": verdict.adjusted_p,
        "level": verdict.level,
    }


def _disagreements(benchmark: Benchmark) -> list[dict[str, Any]]:
    """Return the images on which each pair of recipes parts, in the order of the verdicts."""
    splits = benchmark.tested
    answers = {result.name: benchmark.predicted(result) for result in benchmark.results}
    found = []
    for verdict in benchmark.comparison.verdicts:
        images: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in find_disagreements(splits, answers[verdict.a], answers[verdict.b]):
            facts = {"path": text(one.image), "true": text(one.true), "n_splits": one.n_splits}
            facts |= {"predicted_a": text(one.predicted_a), "predicted_b": text(one.predicted_b)}
            images["only_a" if one.is_a_right else "only_b"].append(facts)
        sides = {side: images[side] for side in ("only_a", "only_b")}
        found.append({"a": text(verdict.a), "b": text(verdict.b), **sides})
    return found


def _leakage(leakage: Leakage) -> dict[str, Any]:
    return {
        "n_test": leakage.n_test,
        "n_leaked": len(leakage.test_images),
        "sentence": leakage.sentence,
        "leaks": [
            {
                "train": text(leak.train),
                "test": text(leak.test),
                "kind": leak.kind,
                "score": plain(leak.score),
                "contradicts": leak.contradicts,
            }
            for leak in leakage.leaks
        ],
    }


def _interval(interval: ConfidenceInterval) -> Sequence[float]:
    return [interval.low, interval.high]
