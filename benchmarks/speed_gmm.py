"""Speed of learning a GMM against scikit-learn and VLFeat: the same number of EM iterations from the same start.

All fit 256 components with diagonal covariance to 250,000 descriptors of Scene-15 in 80 PCA dimensions, on one thread.
Each figure is CPU time. scikit-learn runs in float32 and in float64; VLFeat in float32 with the SIMD of Debian's build.
faiss has no mixtures. All likelihoods are computed by scikit-learn in float64.

VLFeat's library is needed for its row: `apt-get install libvlfeat1`.

    OMP_NUM_THREADS=1 python benchmarks/speed_gmm.py
    OMP_NUM_THREADS=1 python benchmarks/speed_gmm.py --samples 50000 --passes 5 --json gmm.json
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import numpy as np
import protocol
from numpy.typing import NDArray
from peers.vlfeat import fit_gmm
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from classicvision import DenseSift, ImageFolder, read_image
from classicvision.encoding.gmm import improve_mixture, learn_mixture, start_mixture
from classicvision.encoding.mixture import DiagonalMixture
from classicvision.encoding.pca import learn_projection
from classicvision.encoding.vocabulary import sample_positions

N_IMAGES = 300

Points = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=250_000)
    parser.add_argument("--components", type=int, default=256)
    parser.add_argument("--dims", type=int, default=80)
    parser.add_argument("--passes", type=int, default=15, help="iterations of EM")
    parser.add_argument("--without", nargs="*", default=[], help="methods to skip")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    arguments = parser.parse_args()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        report = compare(draw_points(arguments.samples, arguments.dims), arguments)
    print("\n| way | CPU seconds | ratio to ours | mean log likelihood |\n| --- | ---: | ---: | ---: |")
    for name, row in report.items():
        ratio = row["seconds"] / report["ours"]["seconds"]
        likelihood = f"{row['likelihood']:.4f}" if "likelihood" in row else ""
        print(f"| {name} | {row['seconds']:.1f} | {ratio:.1f} | {likelihood} |")
    facts = machine.describe()
    print("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps({"ways": report, "machine": facts}, indent=2) + "\n", "utf-8")


def draw_points(n_samples: int, n_dims: int) -> Points:
    images = ImageFolder.open(protocol.shared_data() / "scene15")
    rows = np.linspace(0, len(images.paths) - 1, N_IMAGES).astype(int)
    extractor = DenseSift(max_side=300)
    items = (extractor(read_image(images.paths[row])) for row in rows)
    descriptors, places = sample_positions(items, n_samples, np.random.default_rng(0))
    return learn_projection(descriptors, n_dims, xy=False).points_of(descriptors, places)


def compare(points: Points, arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return CPU seconds and mean log likelihood of each method."""
    n, n_passes = arguments.components, arguments.passes
    begin = time.process_time()
    start = start_mixture(points, n, np.random.default_rng(0))
    report = {"ours: the k-means start": {"seconds": time.process_time() - begin}}
    ways: dict[str, Callable[[], DiagonalMixture]] = {
        "ours": lambda: improve_mixture(points, start, n_iterations=n_passes),
        "scikit-learn, float32": lambda: by_sklearn(points, start, n_passes),
        "scikit-learn, float64": lambda: by_sklearn(points.astype(np.float64), start, n_passes),
        "VLFeat": lambda: DiagonalMixture(*fit_gmm(points, start.weights, start.means, start.variances, n_passes)),
        "ours: start and passes": lambda: learn_mixture(points, n, np.random.default_rng(0), n_iterations=n_passes),
    }
    for name, fit in ways.items():
        if name in arguments.without:
            continue
        begin = time.process_time()
        fitted = fit()
        seconds = time.process_time() - begin
        report[name] = {"seconds": seconds, "likelihood": likelihood(points, fitted)}
        print(f"{name}: {seconds:.1f} s, {report[name]['likelihood']:.4f}", flush=True)
    return report


def by_sklearn(points: NDArray[Any], start: DiagonalMixture, n_passes: int) -> DiagonalMixture:
    weights, means, variances = (a.astype(points.dtype) for a in (start.weights, start.means, start.variances))
    mixture = GaussianMixture(
        len(weights),
        covariance_type="diag",
        max_iter=n_passes,
        tol=0,
        weights_init=weights / weights.sum(),
        means_init=means,
        precisions_init=1 / variances,
    ).fit(points)
    found = (mixture.weights_, mixture.means_, mixture.covariances_)
    return DiagonalMixture(*(array.astype(np.float32) for array in found))


def likelihood(points: Points, fitted: DiagonalMixture) -> float:
    """Return the mean log likelihood of a sample of the points, by scikit-learn in float64."""
    judge = GaussianMixture(len(fitted.weights), covariance_type="diag")
    judge.weights_ = fitted.weights.astype(np.float64) / fitted.weights.sum(dtype=np.float64)
    judge.means_, judge.covariances_ = (a.astype(np.float64) for a in (fitted.means, fitted.variances))
    judge.precisions_cholesky_ = 1 / np.sqrt(judge.covariances_)
    return float(judge.score(points[:50_000].astype(np.float64)))


if __name__ == "__main__":
    main()
