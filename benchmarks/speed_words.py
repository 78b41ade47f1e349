"""Speed of the compiled search for nearest words and of k-means beside faiss and scikit-learn, one thread.

All work on RootSIFT descriptors of Scene-15. Each figure is process CPU time, with the ways in turn in one process: the
median of the repetitions for the search, the mean of the seeds for k-means. faiss is a peer, not a requirement of the
package: `pip install faiss-cpu` into the environment that measures.

    OMP_NUM_THREADS=1 python benchmarks/speed_words.py
    OMP_NUM_THREADS=1 CLASSICVISION_ISA=v3 python benchmarks/speed_words.py --json words.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import machine
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from vocabulary import draw_descriptors

from classicvision.encoding.nearest import PreparedWords, nearest_words
from classicvision.encoding.vocabulary import learn_words

N_SEARCHED = 20_000
VOCABULARIES = [1000, 4096]
N_PASSES = 10

Points = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="keep the features here between runs")
    parser.add_argument("--jobs", type=int, default=2, help="of the extraction that comes before")
    parser.add_argument("--repeats", type=int, default=9, help="of each search (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="of k-means (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    arguments = parser.parse_args()
    learned_from, others = draw_descriptors(arguments.cache, arguments.jobs)
    faiss.omp_set_num_threads(1)
    report: dict[str, Any] = {"machine": machine.describe() | {"faiss": faiss.__version__}}
    with threadpool_limits(1):
        report["search"] = [
            compare_searches(learned_from, others[:N_SEARCHED], n, arguments.repeats) for n in VOCABULARIES
        ]
        print_searches(report["search"])
        report["kmeans"] = compare_kmeans(learned_from, arguments.seeds)
        print_kmeans(report["kmeans"])
    print("\n" + ", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def compare_searches(learned_from: Points, points: Points, n_words: int, repeats: int) -> dict[str, Any]:
    """Time both ways to the nearest word of each point, and count where they name the same word."""
    words = learn_words(learned_from, n_words, np.random.default_rng(0), max_iterations=5)
    flat = faiss.IndexFlatL2(words.shape[1])
    flat.add(words)
    prepared = PreparedWords.of(words)
    ways: dict[str, Callable[[], NDArray[Any]]] = {
        "faiss": lambda: flat.search(points, 1)[1],
        "ours": lambda: nearest_words(points, prepared)[0],
    }
    found = {name: search() for name, search in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, search in ways.items():
            start = time.process_time()
            search()
            seconds[name].append(time.process_time() - start)
    milliseconds = {name: 1e3 * float(np.median(times)) for name, times in seconds.items()}
    same = float((found["faiss"] == found["ours"]).mean())
    return {"n_words": n_words, "milliseconds": milliseconds, "same": same}


def compare_kmeans(points: Points, n_seeds: int) -> dict[str, dict[str, float]]:
    """Return mean CPU seconds and mean inertia of each way to learn 1000 words in the same number of passes."""
    n_words = VOCABULARIES[0]

    def by_faiss(seed: int) -> Points:
        kmeans = faiss.Kmeans(points.shape[1], n_words, niter=N_PASSES, seed=seed, max_points_per_centroid=len(points))
        kmeans.train(points)
        centroids: Points = kmeans.centroids
        return centroids

    def by_sklearn(seed: int) -> Points:
        kmeans = KMeans(n_words, init="random", n_init=1, max_iter=N_PASSES, random_state=seed, algorithm="lloyd")
        centres: Points = kmeans.fit(points).cluster_centers_
        return centres

    ways: dict[str, Callable[[int], Points]] = {
        "faiss": by_faiss,
        "scikit-learn": by_sklearn,
        "ours": lambda seed: learn_words(points, n_words, np.random.default_rng(seed), max_iterations=N_PASSES),
    }
    seconds = dict.fromkeys(ways, 0.0)
    inertia = dict.fromkeys(ways, 0.0)
    for seed in range(n_seeds):
        for name, learn in ways.items():
            start = time.process_time()
            words = learn(seed)
            seconds[name] += (time.process_time() - start) / n_seeds
            inertia[name] += nearest_words(points, words)[1].sum(dtype=np.float64) / n_seeds
    return {name: {"seconds": seconds[name], "inertia": inertia[name]} for name in ways}


def print_searches(rows: list[dict[str, Any]]) -> None:
    print(f"\nNearest word of {N_SEARCHED} descriptors:\n")
    print("| words | faiss Flat ms | ours ms | ratio | same word |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        theirs, ours = row["milliseconds"]["faiss"], row["milliseconds"]["ours"]
        print(f"| {row['n_words']} | {theirs:.1f} | {ours:.1f} | {theirs / ours:.2f} | {row['same']:.2%} |")


def print_kmeans(rows: dict[str, dict[str, float]]) -> None:
    print(f"\nk-means, {VOCABULARIES[0]} words, {N_PASSES} passes:\n")
    print("| way | seconds | ratio | inertia against faiss |")
    print("| --- | ---: | ---: | ---: |")
    for name, row in rows.items():
        ratio, inertia = row["seconds"] / rows["ours"]["seconds"], row["inertia"] / rows["faiss"]["inertia"] - 1
        print(f"| {name} | {row['seconds']:.2f} | {ratio:.2f} | {inertia:+.3%} |")


if __name__ == "__main__":
    main()
