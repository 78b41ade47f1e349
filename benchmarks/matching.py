"""SIFT: one of our engines beside OpenCV's, on real photographs.

First table: what share of OpenCV's keypoints our engine finds within 1 px, 10 % of scale and 10 degrees, the share the
other way round, and the mean cosine of the descriptors of those pairs. Second table: matching precision on pairs with a
known homography, of the 2,000 strongest keypoints, by the ratio test at 0.8, correct within 3 px.

    python benchmarks/matching.py
    python benchmarks/matching.py --engine reference
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import protocol
import skimage
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from classicvision.features.local import LocalFeatures, root_sift
from classicvision.features.sift import Sift
from classicvision.images import Image, read_image

OPENCV = Sift(engine="opencv")

PHOTOGRAPHS = [
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "microaneurysms.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
]
PAIRS = [("graf", 1, 2), ("boat", 1, 3), ("leuven", 1, 4)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["native", "reference"], default="native", help="default %(default)s")
    ours = Sift(engine=parser.parse_args().engine)
    cv2.setNumThreads(1)
    oxford = protocol.shared_data() / "oxford_affine"
    report_agreement(oxford, ours)
    report_precision(oxford, ours)


def report_agreement(oxford: Path, ours: Sift) -> None:
    name = ours.engine
    print(f"| image | OpenCV | {name} | of OpenCV's found % | of ours found % | cosine | OpenCV s | {name} s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    rows = []
    for name, image in photographs(oxford):
        (a, a_seconds), (b, b_seconds) = timed(OPENCV, image), timed(ours, image)
        pairs = near_pairs(a, b)
        found, back = (len(np.unique(column)) / max(n, 1) for column, n in zip(pairs.T, (len(a), len(b)), strict=True))
        cosine = mean_cosine(a.descriptors[pairs[:, 0]], b.descriptors[pairs[:, 1]])
        rows.append((found, back, cosine))
        print(
            f"| {name} | {len(a)} | {len(b)} | {100 * found:.2f} | {100 * back:.2f} | {cosine:.5f} "
            f"| {a_seconds:.3f} | {b_seconds:.3f} |"
        )
    for label, summary in (("lowest", np.min(rows, axis=0)), ("mean", np.mean(rows, axis=0))):
        print(f"| **{label}** | | | {100 * summary[0]:.2f} | {100 * summary[1]:.2f} | {summary[2]:.5f} | | |")


def report_precision(oxford: Path, ours: Sift) -> None:
    print(f"\n| pair | descriptor | OpenCV correct/all | precision % | {ours.engine} correct/all | precision % |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name, transform in (("SIFT", np.float32), ("RootSIFT", root_sift)):
        total = np.zeros((2, 2), int)
        for scene, a, b in PAIRS:
            images = [read_image(oxford / scene / f"img{number}.png") for number in (a, b)]
            b_from_a = np.loadtxt(oxford / scene / f"H{a}to{b}p")
            counts = np.array([count_matches(sift, images, b_from_a, transform) for sift in (OPENCV, ours)])
            print(f"| {scene} {a}-{b} | {name} | {precision_cells(counts)} |")
            total += counts
        print(f"| **together** | {name} | {precision_cells(total)} |")


def precision_cells(counts: NDArray[np.intp]) -> str:
    return " | ".join(f"{n_right}/{n_all} | {100 * n_right / n_all:.2f}" for n_right, n_all in counts)


def count_matches(
    sift: Sift, images: list[Image], b_from_a: NDArray[np.float64], transform: Callable[..., NDArray[np.float32]]
) -> tuple[int, int]:
    """Return how many matches of the 2,000 strongest keypoints are correct, and how many there are."""
    a, b = (sift(image).strongest(2000) for image in images)
    pairs = matches(transform(a.descriptors), transform(b.descriptors))
    return count_right(a.xy[pairs[:, 0]], b.xy[pairs[:, 1]], b_from_a), len(pairs)


def photographs(oxford: Path) -> Iterator[tuple[str, Image]]:
    for name in PHOTOGRAPHS:
        yield name, read_image(Path(skimage.__file__).parent / "data" / name)
    for path in sorted(oxford.glob("*/*.png")):
        yield f"{path.parent.name}/{path.name}", read_image(path)


def timed(sift: Sift, image: Image) -> tuple[LocalFeatures, float]:
    start = time.process_time()
    return sift(image), time.process_time() - start


def near_pairs(a: LocalFeatures, b: LocalFeatures) -> NDArray[np.intp]:
    """Return the (M, 2) rows of keypoints of a that have a near one in b, each with the one most like it in angle."""
    if not (len(a) and len(b)):
        return np.zeros((0, 2), np.intp)
    distance, partner = cKDTree(b.xy).query(a.xy, k=min(16, len(b)), distance_upper_bound=1.0)
    distance, partner = distance.reshape(len(a), -1), partner.reshape(len(a), -1)
    other = np.minimum(partner, len(b) - 1)  # the tree writes len(b) where there is no further neighbour
    turn = np.abs((a.angle[:, None] - b.angle[other] + np.pi) % (2 * np.pi) - np.pi)
    is_near = (partner < len(b)) & (np.abs(b.scale[other] / a.scale[:, None] - 1) < 0.1) & (turn < np.radians(10))
    best = np.where(is_near, distance + turn, np.inf).argmin(axis=1)
    rows = np.flatnonzero(is_near.any(axis=1))
    return np.column_stack([rows, other[rows, best[rows]]])


def mean_cosine(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    a_unit, b_unit = (x / np.linalg.norm(x.astype(float), axis=1, keepdims=True) for x in (a, b))
    return float(np.mean(np.sum(a_unit * b_unit, axis=1)))


def matches(a: NDArray[np.float32], b: NDArray[np.float32], ratio: float = 0.8) -> NDArray[np.intp]:
    """Return the (M, 2) rows of descriptors of a and their nearest in b, if clearly nearer than the second."""
    squared = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T
    nearest, second = np.argpartition(squared, 1, axis=1)[:, :2].T
    rows = np.arange(len(a))
    is_clear = np.maximum(squared[rows, nearest], 0) < ratio**2 * squared[rows, second]
    return np.column_stack([rows, nearest])[is_clear]


def count_right(a: NDArray[np.float32], b: NDArray[np.float32], b_from_a: NDArray[np.float64]) -> int:
    """Return how many points of a the (3, 3) homography maps to within 3 px of their partners in b."""
    mapped = np.column_stack([a, np.ones(len(a))]) @ b_from_a.T
    return int(np.sum(np.linalg.norm(mapped[:, :2] / mapped[:, 2:] - b, axis=1) < 3))


if __name__ == "__main__":
    main()
