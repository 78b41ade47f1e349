"""Speed of the compiled nearest-word search and of k-means against faiss and scikit-learn, one thread.

All run on RootSIFT descriptors of Scene-15. Each figure is CPU time, with the methods alternating in one process: the
median over repetitions for the search, the mean over seeds for k-means. faiss is only needed here: install it with
`pip install faiss-cpu`.

    OMP_NUM_THREADS=1 python benchmarks/speed_words.py
    OMP_NUM_THREADS=1 python benchmarks/speed_words.py --words 20000 --learn-from 1000000 --seeds 0

On a CPU with AVX-512, faiss and its BLAS use it even if our kernels are limited. To limit all of them to AVX2:

    export OMP_NUM_THREADS=1 CLASSICVISION_ISA=v3 FAISS_SIMD_LEVEL=AVX2 OPENBLAS_CORETYPE=Haswell
    python benchmarks/speed_words.py --json words.json
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
from threadpoolctl import threadpool_info, threadpool_limits
from vocabulary import draw_descriptors

from classicvision.encoding.nearest import PreparedWords, nearest_words
from classicvision.encoding.vocabulary import learn_words
from classicvision.features.rootsift import root_sift

N_SEARCHED = 20_000
N_WORDS = 1000  # of k-means
N_PASSES = 10

Points = NDArray[np.float32]
Raw = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder of a feature cache to keep between runs")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes of the extraction")
    parser.add_argument("--words", type=int, nargs="+", default=[1000, 4096], help="sizes of vocabularies to search")
    parser.add_argument(
        "--learn-from", type=int, default=100_000, help="descriptors to learn from (default %(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=9, help="repetitions per search (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of k-means (default %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    arguments = parser.parse_args()
    learned_from, others = draw_descriptors(arguments.cache, arguments.jobs, arguments.learn_from)
    faiss.omp_set_num_threads(1)
    report: dict[str, Any] = {"machine": machine.describe() | describe_faiss()}
    with threadpool_limits(1):
        report["search"] = [
            compare_searches(learned_from, others[:N_SEARCHED], n, arguments.repeats) for n in arguments.words
        ]
        print_searches(report["search"])
        if arguments.seeds:
            report["kmeans"] = compare_kmeans(learned_from, arguments.seeds)
            print_kmeans(report["kmeans"])
    print("\n" + ", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def describe_faiss() -> dict[str, Any]:
    """Return faiss's version, its instruction set, and that of its BLAS, which does most of the work."""
    blas = [library["architecture"] for library in threadpool_info() if "faiss" in library["filepath"]
            and library["user_api"] == "blas"]  # fmt: skip
    return {
        "faiss": faiss.__version__,
        "faiss_instruction_set": faiss.SIMDConfig.get_level_name(),
        "faiss_blas": ", ".join(blas) or "unknown",
    }


def compare_searches(learned_from: Raw, raw: Raw, n_words: int, repeats: int) -> dict[str, Any]:
    """Time all methods for the nearest word of each point, and count where they agree."""
    words = learn_words(learned_from, n_words, np.random.default_rng(0), as_root_sift=True, max_iterations=5)
    points = root_sift(raw)
    flat = faiss.IndexFlatL2(words.shape[1])
    flat.add(words)
    prepared = PreparedWords.of(words)
    ways: dict[str, Callable[[], NDArray[Any]]] = {
        "faiss": lambda: flat.search(points, 1)[1],
        "ours": lambda: nearest_words(points, prepared)[0],
        "ours, from bytes": lambda: nearest_words(raw, prepared, as_root_sift=True)[0],
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
    return {"n_words": n_words, "n_directions": prepared.n_kept, "milliseconds": milliseconds, "same": same}


def compare_kmeans(raw: Raw, n_seeds: int) -> dict[str, dict[str, float]]:
    """Return mean CPU seconds and mean inertia of each method, for 1000 words and the same number of iterations."""
    n_words, points = N_WORDS, root_sift(raw)

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
        "ours, from bytes": lambda seed: learn_words(
            raw, n_words, np.random.default_rng(seed), as_root_sift=True, max_iterations=N_PASSES
        ),
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
    print("| words | directions | faiss Flat ms | ours ms | ratio | from bytes ms | ratio | same word |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        theirs, ours, by_bytes = (row["milliseconds"][name] for name in ("faiss", "ours", "ours, from bytes"))
        print(
            f"| {row['n_words']} | {row['n_directions'] or 'all'} | {theirs:.1f} | {ours:.1f} | {theirs / ours:.2f} "
            f"| {by_bytes:.1f} | {theirs / by_bytes:.2f} | {row['same']:.2%} |"
        )


def print_kmeans(rows: dict[str, dict[str, float]]) -> None:
    print(f"\nk-means, {N_WORDS} words, {N_PASSES} passes:\n")
    print("| way | seconds | ratio | inertia against faiss |")
    print("| --- | ---: | ---: | ---: |")
    for name, row in rows.items():
        ratio, inertia = row["seconds"] / rows["ours"]["seconds"], row["inertia"] / rows["faiss"]["inertia"] - 1
        print(f"| {name} | {row['seconds']:.2f} | {ratio:.2f} | {inertia:+.3%} |")


if __name__ == "__main__":
    main()
