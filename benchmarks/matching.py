"""Compare the keypoints of one of our SIFT engines with OpenCV's on real photographs.

The fraction of OpenCV's keypoints that our engine finds within 1 px, 10 % of scale and 10 degrees, the fraction of ours
that OpenCV finds, and the mean cosine of the descriptors of those pairs. Repeatability and matching accuracy for known
homographies are measured by `classicvision benchmark-matching`.

    python benchmarks/matching.py
    python benchmarks/matching.py --engine reference
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import protocol
import skimage
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from classicvision.features.local import LocalFeatures
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["native", "reference"], default="native", help="default %(default)s")
    ours = Sift(engine=parser.parse_args().engine)
    cv2.setNumThreads(1)
    report_agreement(protocol.shared_data() / "oxford_affine", ours)


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


def photographs(oxford: Path) -> Iterator[tuple[str, Image]]:
    for name in PHOTOGRAPHS:
        yield name, read_image(Path(skimage.__file__).parent / "data" / name)
    for path in sorted(oxford.glob("*/*.png")):
        yield f"{path.parent.name}/{path.name}", read_image(path)


def timed(sift: Sift, image: Image) -> tuple[LocalFeatures, float]:
    start = time.process_time()
    return sift(image), time.process_time() - start


def near_pairs(a: LocalFeatures, b: LocalFeatures) -> NDArray[np.intp]:
    """Return the (M, 2) rows of keypoints of a that have a near one in b, each with the one closest in angle."""
    if not (len(a) and len(b)):
        return np.zeros((0, 2), np.intp)
    distance, partner = cKDTree(b.xy).query(a.xy, k=min(16, len(b)), distance_upper_bound=1.0)
    distance, partner = distance.reshape(len(a), -1), partner.reshape(len(a), -1)
    other = np.minimum(partner, len(b) - 1)  # the tree returns len(b) for a missing neighbour
    turn = np.abs((a.angle[:, None] - b.angle[other] + np.pi) % (2 * np.pi) - np.pi)
    is_near = (partner < len(b)) & (np.abs(b.scale[other] / a.scale[:, None] - 1) < 0.1) & (turn < np.radians(10))
    best = np.where(is_near, distance + turn, np.inf).argmin(axis=1)
    rows = np.flatnonzero(is_near.any(axis=1))
    return np.column_stack([rows, other[rows, best[rows]]])


def mean_cosine(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    a_unit, b_unit = (x / np.linalg.norm(x.astype(float), axis=1, keepdims=True) for x in (a, b))
    return float(np.mean(np.sum(a_unit * b_unit, axis=1)))


if __name__ == "__main__":
    main()
