"""Random sizes, strides, contents and settings through the kernels; `make sanitize` runs it in a build that checks all.

python tests/native/fuzz.py --rounds 100000
python tests/native/fuzz.py --rounds 100000 --kernels sift dense --seed 7
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from classicvision._native import instruction_set, match
from classicvision._native import mixture as mixtures
from classicvision._native import words as native
from classicvision._native.dense import describe_dense
from classicvision._native.sift import find_sift
from classicvision.encoding.kmeans import lloyd
from classicvision.encoding.mixture import LEAST_SHARE, DiagonalMixture, _moments_by_numpy, moments
from classicvision.encoding.nearest import nearest_words
from classicvision.features.patches import describe_patches
from classicvision.features.rootsift import root_sift
from classicvision.index.postings import Postings, _compare, near_postings
from classicvision.index.vocabulary import QuantizedFeatures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kernels", nargs="+", choices=KERNELS, default=list(KERNELS), help="try these alone")
    arguments = parser.parse_args()
    start = time.monotonic()
    n_rounds, n_found = (dict.fromkeys(arguments.kernels, 0) for _ in range(2))
    for number in range(arguments.rounds):
        rng = np.random.default_rng([arguments.seed, number])
        for name in arguments.kernels:
            n_found[name] += KERNELS[name](rng)
            n_rounds[name] += 1
    for name, n in n_rounds.items():
        print(f"{name}: {n} rounds on {instruction_set()}, {n_found[name]} results, no fault")  # noqa: T201
    print(f"{time.monotonic() - start:.0f} s")  # noqa: T201


def try_sift(rng: np.random.Generator) -> int:
    """Run SIFT on one random image with random settings, check what must hold, and return the number of keypoints."""
    image, n_layers = random_image(rng), int(rng.choice([1, 2, 3, 3, 3, 4, 7, 60]))
    if n_layers > 7:
        image = image[:20, :20]  # without a contrast threshold a ramp has hundreds of thousands of keypoints there
    frames, descriptors = find_sift(
        image,
        n_layers=n_layers,
        sigma=float(rng.choice([0.05, 0.6, 1.0, 1.6, 1.6, 1.6, 2.5, 9.0])),
        contrast=float(rng.choice([0.0, 0.001, 0.02, 0.04, 1.0])),
        edge_ratio=float(rng.choice([1.0, 2.0, 10.0, 1e9])),
        upsample=bool(rng.integers(2)),
        fast=bool(rng.integers(2)),
    )
    height, width = image.shape
    x, y, scale, angle, response = frames.T
    if not np.isfinite(frames).all() or (scale <= 0).any() or (response < 0).any() or len(frames) != len(descriptors):
        raise SystemExit(f"a keypoint is invalid: image {image.shape}")
    if (x < 0).any() or (x > width).any() or (y < 0).any() or (y > height).any():
        raise SystemExit(f"a keypoint lies beyond the image: {image.shape}")
    if (angle < 0).any() or (angle >= 2 * np.pi).any() or (np.diff(response) > 0).any():
        raise SystemExit(f"angles or order are wrong: {image.shape}")
    return len(frames)


def try_dense(rng: np.random.Generator) -> int:
    """Describe the patches of one random image, compare with the definition, and return how many there are."""
    image = random_image(rng)
    bin_size = int(rng.choice([1, 2, 3, 4, 4, 5, 8, rng.integers(1, 40)]))
    grid = {
        "step": int(rng.choice([1, 2, 4, 6, rng.integers(1, 30), 1000])),
        "first": int(rng.choice([0, 0, rng.integers(20)])),
        "magnification": float(rng.choice([1.0, 3.0, 6.0, 1e6])),
        "window": float(rng.choice([0.1, 1.5, 2.0, 1e6])),
    }
    contrast = float(rng.choice([0.0, 0.01, 0.1, 1.0]))
    options = grid | {"first": [grid["first"]]}
    xy, response, descriptors, _ = describe_dense(image, [bin_size], contrast=contrast, **options)
    every, histograms = describe_patches(np.ascontiguousarray(image), bin_size, **grid)
    expected = np.linalg.norm(histograms, axis=1) / (bin_size**2 * 255)
    row = {tuple(place): number for number, place in enumerate(every)}
    rows = [row[tuple(place)] for place in xy.tolist()]  # a KeyError for a patch that does not exist
    slack = 1e-4 + 1e-3 * expected
    missing = np.setdiff1d(np.arange(len(every)), rows)
    if (np.diff(rows) <= 0).any() or (np.abs(response - expected[rows]) > slack[rows]).any():
        raise SystemExit(f"order or response is wrong: image {image.shape}, cells {bin_size}, {grid}")
    if (response < contrast).any() or (expected[missing] > contrast + slack[missing]).any():
        raise SystemExit(f"a patch is wrongly kept or skipped: image {image.shape}, cells {bin_size}, {grid}")
    if len(descriptors) != len(xy) or ((response > 0).any() and not descriptors[response > 0].any(axis=1).all()):
        raise SystemExit(f"a patch has no descriptor: image {image.shape}, cells {bin_size}, {grid}")
    return len(xy)


def try_words(rng: np.random.Generator) -> int:
    """Find the words nearest to random points, compare with the definition, and return the number of words found.

    Some words are far apart, some nearly equal.
    """
    n_points, n_words, n_dims = (
        int(rng.choice([rng.integers(1, 6), rng.integers(1, most)])) for most in (70, 300, 140)
    )
    digits, offset = int(rng.choice([0, 1, 7])), float(rng.choice([0, 0, 1, 1000]))
    words, points = (
        (offset + rng.normal(size=(n, n_dims)).round(digits)).astype(np.float32)[:: int(rng.choice([-1, 1, 2]))]
        for n in (n_words, n_points)
    )
    words[0] *= float(rng.choice([1, 1, 1e5]))  # an outlier leaves bytes no digits for the others
    m = int(rng.integers(1, min(len(words), 20) + 1))
    indices, _ = nearest_words(points, words, m)
    squared = np.square(points[:, np.newaxis].astype(np.float64) - words).sum(axis=2)
    found = np.take_along_axis(squared, indices, axis=1)
    if not np.allclose(found, np.sort(squared, axis=1)[:, :m], rtol=1e-12, atol=0):
        raise SystemExit(f"a word is not the nearest: points {points.shape}, words {words.shape}, m {m}")
    return indices.size


def try_means(rng: np.random.Generator) -> int:
    """Add random points up by their labels, compare with the definition, and return the number of points."""
    n_points, n_words, n_dims = int(rng.integers(300)), int(rng.integers(1, 50)), int(rng.integers(1, 140))
    points = rng.normal(size=(n_points, n_dims)).astype(np.float32)
    labels = rng.integers(0, n_words, n_points).astype(np.int32)
    sums, counts = native.add_points(points, labels, n_words)
    expected = np.zeros((n_words, n_dims))
    np.add.at(expected, labels, points.astype(np.float64))
    if not np.array_equal(sums, expected) or not np.array_equal(counts, np.bincount(labels, minlength=n_words)):
        raise SystemExit(f"a sum is wrong: points {points.shape}, {n_words} words")
    return n_points


def try_match(rng: np.random.Generator) -> int:
    """Match random descriptors with random strides both ways, and fit and judge random points, some of them useless.

    Returns the number of pairs compared.
    """
    n_dims = int(rng.choice([0, 1, 3, 64, 128, 128, 255, 256]))
    top = int(rng.choice([2, 30, 256]))
    a, b = (
        rng.integers(0, top, (int(rng.choice([0, 1, rng.integers(1, 60), rng.integers(1, most)])), n_dims), np.uint8)
        for most in (70, 1300)
    )
    a, b = a[:: int(rng.choice([-1, 1, 2]))], match.root_bytes(b)[:: int(rng.choice([-1, 1, 3]))]
    squared = np.square(a[:, None].astype(int) - b).sum(axis=2)
    rows_a, squared_a, rows_b, squared_b = match.nearest_two(a, b)
    for rows, found, table in ((rows_a, squared_a, squared), (rows_b, squared_b, squared.T)):
        order = np.argsort(table, axis=1, kind="stable")[:, :2]
        missing = ((0, 0), (0, 2 - order.shape[1]))
        least = np.pad(np.take_along_axis(table, order, 1), missing, constant_values=2**24)
        if (rows != np.pad(order, missing, constant_values=-1)).any() or (found != least).any():
            raise SystemExit(f"the two nearest are wrong: {a.shape} and {b.shape}")
    n = int(rng.integers(1, 80))
    points = rng.normal(size=(2, n, 2)) * rng.choice([0, 1e-6, 1, 1e4, 1e200])
    columns = (rng.normal(size=(8, n)) * rng.choice([1, 1e30])).astype(np.float32)
    counts = match.count_agreeing(
        columns, rng.normal(size=n).astype(np.float32), tip=3.0, cone=0.1, least_cosine=0.8, most_log_scale=0.5
    )
    if (counts < 0).any() or (counts > n).any():
        raise SystemExit("more matches agree than there are")
    match.find_moments(points[0], points[1])
    h = match.fit_homography(points[0], points[1], np.eye(3), n_steps=8, settled=1e-6)
    turn, log_ratio = columns[:2].astype(np.float64)
    errors = match.find_errors((points[0], points[1]), (turn, log_ratio), h, (0.0, 0.0), (9.0, 9.0))
    if np.isnan(errors).any() or (errors < 0).any():
        raise SystemExit("an error is not a distance")
    try_counts(rng, points, errors)
    return squared.size


def try_counts(rng: np.random.Generator, points: np.ndarray, errors: np.ndarray) -> None:
    """Compare counts of places and of shifted pairs with NumPy's."""
    n, tolerances = len(errors), np.sort(rng.uniform(0, 12, int(rng.integers(0, 6))))
    places = rng.integers(0, n, n).astype(np.int32)
    counts = match.count_places(errors, places, tolerances)
    if counts.tolist() != [len(np.unique(places[errors <= tolerance])) for tolerance in tolerances]:
        raise SystemExit("places are counted wrong")
    frames, shifts = rng.normal(size=(2, 2, n)), rng.integers(0, 3 * n, int(rng.integers(0, 5))).astype(np.int32)
    h, from_b = np.eye(3) + 0.1 * rng.normal(size=(3, 3)), bool(rng.integers(2))
    counts = match.count_paired(points, frames, shifts, h, (0.1, 0.2), (9.0, 0.5), tolerances, from_b=from_b)
    expected = np.zeros(len(tolerances), int)
    for shift in shifts:
        shifted = [np.roll(one, -int(shift), axis=-1)[1] - one[0] for one in frames]
        a, b = points[0], np.roll(points[1], -int(shift), axis=0)
        here = match.find_errors((b, a) if from_b else (a, b), shifted, h, (0.1, 0.2), (9.0, 0.5))
        expected += np.array([np.count_nonzero(here <= tolerance) for tolerance in tolerances], int)
    if counts.tolist() != expected.tolist():
        raise SystemExit("shifted pairs are counted wrong")


def try_directions(rng: np.random.Generator) -> int:
    """Search words in a few random directions first, compare with the definition, and return the number of points."""
    n_points, n_words, n_dims = int(rng.integers(1, 60)), int(rng.integers(1, 1400)), int(rng.integers(2, 140))
    n_kept, m = int(rng.integers(1, n_dims)), int(rng.integers(1, min(n_words, native.MOST_NEAREST) + 1))
    directions = np.linalg.qr(rng.normal(size=(n_dims, n_kept)))[0]
    words, points = (
        rng.normal(size=(n, n_kept)) @ directions.T + rng.choice([0, 0.1, 1]) * rng.normal(size=(n, n_dims))
        for n in (n_words, n_points)
    )
    size = float(rng.choice([1e-30, 1, 1e9]))
    words, points = (size * words).astype(np.float32), (size * points).astype(np.float32)
    indices, squared = np.zeros((n_points, m), np.int32), np.zeros((n_points, m), np.float32)
    table = native.prepare(words, np.ascontiguousarray(directions, np.float32))
    native.nearest(points, words, table, indices, squared, n_kept=n_kept)
    definition = np.square(points[:, np.newaxis].astype(np.float64) - words).sum(axis=2)
    decided = indices[:, 0] >= 0
    found = np.take_along_axis(definition[decided], indices[decided], axis=1)
    if not np.allclose(found, np.sort(definition[decided], axis=1)[:, :m], rtol=1e-12, atol=0):
        raise SystemExit(f"a word is not the nearest: words {words.shape}, {n_kept} directions, m {m}, size {size}")
    return n_points


def try_bytes(rng: np.random.Generator) -> int:
    """Move words over points stored as bytes, compare with float32, and return the number of points."""
    n_points, n_words, n_dims = int(rng.integers(1, 300)), int(rng.integers(1, 40)), int(rng.integers(1, 140))
    raw = np.minimum(rng.gamma(rng.choice([0.05, 0.5, 5]), 40, (n_points, n_dims)), 255).astype(np.uint8)
    as_root_sift = bool(rng.integers(2))
    plain = root_sift(raw) if as_root_sift else raw.astype(np.float32)
    start = plain[rng.integers(0, n_points, n_words)]
    if not np.array_equal(lloyd(raw, start, 2, as_root_sift=as_root_sift), lloyd(plain, start, 2)):
        raise SystemExit(f"bytes and floats differ: points {raw.shape}, {n_words} words, RootSIFT {as_root_sift}")
    return n_points


def try_postings(rng: np.random.Generator) -> int:
    """Search random lists, sound and damaged ones, compare with NumPy or see the damaged ones refused.

    Returns the number of near postings.
    """
    n_words, n, n_queries = int(rng.integers(1, 9)), int(rng.integers(0, 60)), int(rng.integers(0, 20))
    offsets = np.sort(rng.integers(0, n + 1, n_words + 1))
    if rng.random() < 0.3:
        offsets[rng.integers(0, n_words + 1)] = rng.choice([-1, n + 1, 2**62, -(2**62)])
    signatures = rng.integers(0, 2**64, n, np.uint64)
    zeros = np.zeros(n, np.uint8)
    postings = Postings(offsets, zeros.astype(np.uint16), signatures, zeros, zeros, np.zeros(n_words, np.int32))
    words = rng.integers(0, n_words, n_queries).astype(np.int32)
    query = QuantizedFeatures(words, rng.integers(0, 2**64, n_queries, np.uint64))
    limit = int(rng.integers(0, 65))
    try:
        found = near_postings(postings, query, limit)
    except ValueError:
        begins, ends = offsets[words], offsets[words + 1]
        if ((begins >= 0) & (begins <= ends) & (ends <= n)).all():
            raise
        return 0
    for ours, expected in zip(found, _compare(postings, query, limit), strict=True):
        if not np.array_equal(ours, expected):
            raise SystemExit(f"a near posting is wrong: {n} postings, {n_words} words, {n_queries} queries")
    return len(found[0])


def try_mixture(rng: np.random.Generator) -> int:
    """Project random bytes and take the moments of random points, some far away; compare both with NumPy.

    Returns the number of points.
    """
    n_points, n_components = int(rng.integers(0, 700)), int(rng.integers(1, 90))
    n_out, n_columns, n_places = int(rng.integers(1, 140)), int(rng.integers(1, 140)), int(rng.integers(3))
    n_dims = n_out + n_places
    raw = rng.integers(0, int(rng.choice([1, 40, 256])), (n_points, n_columns), np.uint8)
    places, scales = rng.normal(size=(n_points, n_places)).astype(np.float32), np.full(n_places, 2, np.float32)
    whole = rng.integers(-1800, 1801, (n_columns, n_out), np.int16)  # 140 x 8176 x 1800 is below 2^31
    points = np.empty((n_points, n_dims), np.float32)
    are_roots = bool(rng.integers(2))
    of_bytes = np.rint(512 * np.sqrt(np.arange(256))) if are_roots else np.arange(256)
    steps, offset = np.full(n_out, 1e-6, np.float32), np.zeros(n_out, np.float32)
    prepared = mixtures.prepare_projection(
        whole, steps, offset, scales, levels=of_bytes.astype(np.int16), are_roots=are_roots
    )
    mixtures.project(raw, places, prepared, points)
    lengths = np.sqrt(np.maximum(raw.sum(axis=1, keepdims=True), 1)) if are_roots else 1
    expected_points = np.hstack([of_bytes[raw] / lengths @ (whole * 1e-6), 2 * places])
    if not np.allclose(points, expected_points, atol=1e-4):
        raise SystemExit(f"a projection is wrong: {raw.shape} times {whole.shape}")
    weights = rng.dirichlet(np.ones(n_components)) + 1e-4
    means = rng.normal(size=(n_components, n_dims)) + rng.choice([0, 0, 20])
    variances = rng.choice([1e-3, 1, 100]) * rng.uniform(0.1, 2, (n_components, n_dims))
    mixture = DiagonalMixture(*(a.astype(np.float32) for a in (weights / weights.sum(), means, variances)))
    of_descriptors = np.zeros(n_components), np.zeros(means.shape), np.zeros(means.shape)
    mixtures.add_descriptor_moments(raw, places, prepared, mixture.table, LEAST_SHARE, of_descriptors)
    if not np.array_equal(of_descriptors[2], moments(points, mixture).second):
        raise SystemExit(f"moments of descriptors are not those of their points: {raw.shape} times {whole.shape}")
    points *= np.float32(rng.choice([1, 1, 100]))
    found, expected = moments(points, mixture), _moments_by_numpy(points, mixture)
    slack = 1e-2 * (1 + np.abs(expected.second).max())
    if not np.allclose(found.zeroth.sum(), n_points) or np.abs(found.second - expected.second).max() > slack:
        raise SystemExit(f"moments are wrong: {n_points} points, {means.shape}")
    return n_points


def random_image(rng: np.random.Generator) -> np.ndarray:
    """Return noise, blocks or a ramp of a random size, sometimes with strides that no plain array has."""
    height, width = (int(rng.choice([rng.integers(1, 12), rng.integers(1, 90)])) for _ in range(2))
    step = tuple(rng.choice([-2, -1, 1, 2, 3], 2))
    shape = (height * abs(step[0]), width * abs(step[1]))
    match rng.integers(4):
        case 0:
            whole = rng.integers(0, 256, shape, np.uint8)
        case 1:
            whole = np.kron(rng.integers(0, 2, (shape[0] // 5 + 1, shape[1] // 5 + 1)), np.full((5, 5), 255))
        case 2:
            whole = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) % 256
        case _:
            whole = np.full(shape, rng.integers(256))
    return whole.astype(np.uint8)[: shape[0], : shape[1]][:: step[0], :: step[1]]


# What is tried in each round: a function of a generator that checks one result and returns how much it found.
KERNELS: dict[str, Callable[[np.random.Generator], int]] = {
    "sift": try_sift,
    "dense": try_dense,
    "words": try_words,
    "means": try_means,
    "directions": try_directions,
    "bytes": try_bytes,
    "match": try_match,
    "postings": try_postings,
    "mixture": try_mixture,
}

if __name__ == "__main__":
    main()
