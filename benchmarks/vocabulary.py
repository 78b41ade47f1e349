"""Methods to learn 1000 words from 100,000 RootSIFT descriptors of Scene-15: time and mean quantisation error.

One thread each; CPU seconds, which other load on the machine disturbs less than wall time. `learn_words` is the
package's method; its seeding and number of iterations were chosen by this table.

    OMP_NUM_THREADS=1 python benchmarks/vocabulary.py
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import protocol
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from classicvision import FeatureCache, ImageFolder, extract, load_recipe
from classicvision.encoding.nearest import nearest_words
from classicvision.encoding.vocabulary import Start, learn_words, sample_descriptors
from classicvision.features.rootsift import root_sift

N_WORDS = 1000
N_SAMPLES = 100_000

Points = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder of a feature cache to keep between runs")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    learned_from, others = (root_sift(sample) for sample in draw_descriptors(options.cache, options.jobs))
    print(f"{protocol.versions_line()}\n\n| way | CPU seconds | distance^2, learned from | distance^2, others |")
    print("| --- | --- | --- | --- |")
    for name, learn in ways().items():
        start = time.process_time()
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            words = learn(learned_from)
        seconds = time.process_time() - start
        here, there = (nearest_words(points, words)[1].mean(dtype=np.float64) for points in (learned_from, others))
        print(f"| {name} | {seconds:.1f} | {here:.5f} | {there:.5f} |", flush=True)
    start = time.process_time()
    with threadpool_limits(1):
        nearest_words(others, words)
    print(
        f"\nnearest_words: {(time.process_time() - start) / len(others) * 1e6:.2f} us per descriptor, {N_WORDS} words"
    )


def draw_descriptors(
    cache: Path | None, n_jobs: int, n_samples: int = N_SAMPLES
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return two disjoint samples of a training split, (n_samples, 128) and (N_SAMPLES, 128)."""
    images = ImageFolder.open(protocol.shared_data() / "scene15")
    rows, _ = protocol.split_rows(images.labels, 100, seed=0)
    paths = [images.paths[row] for row in rows]
    cache = FeatureCache(cache) if cache else None
    items = extract(paths, load_recipe("sift-bovw").extractor, cache=cache, n_jobs=n_jobs).items
    rng = np.random.default_rng(0)
    # A sample is in the order of the images, so it is shuffled before it is split.
    points = rng.permutation(sample_descriptors(items, n_samples + N_SAMPLES, rng))
    return points[:-N_SAMPLES], points[-N_SAMPLES:]


def ways() -> dict[str, Callable[[Points], Points]]:
    def ours(passes: int, start: Start = "random") -> Callable[[Points], Points]:
        rng = np.random.default_rng(0)
        return lambda points: learn_words(points, N_WORDS, rng, start=start, max_iterations=passes)

    def theirs(make: Callable[..., Any], **options: Any) -> Callable[[Points], Points]:
        return lambda points: make(N_WORDS, n_init=1, random_state=0, **options).fit(points).cluster_centers_

    return {
        "learn_words, 5 passes": ours(5),
        "learn_words, 10 passes": ours(10),
        "learn_words, k-means||, 10 passes": ours(10, "k-means||"),
        "learn_words, 20 passes": ours(20),
        "learn_words, at rest": ours(300),
        "KMeans, k-means++, 10 passes": theirs(KMeans, max_iter=10),
        "MiniBatchKMeans, defaults": theirs(MiniBatchKMeans),
        "MiniBatchKMeans, random, batches of 4096": theirs(MiniBatchKMeans, init="random", batch_size=4096),
    }


if __name__ == "__main__":
    main()
