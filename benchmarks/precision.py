"""SIFT in both precisions on images of scikit-image, warped by seeded random homographies, with a little noise.

Each homography is a rotation, a scale of 0.6 to 1.6 and perspective; metrics and protocol are those of
`classicvision benchmark-matching`, which is for real scenes.

    python benchmarks/precision.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import skimage
from matching import PHOTOGRAPHS
from numpy.typing import NDArray

from classicvision.evaluation.detectors import DETECTORS
from classicvision.evaluation.keypoints import PairScores, score_pair, summarise
from classicvision.images import Image, read_image

PRECISIONS = {"exact": DETECTORS["sift-exact"], "fast": DETECTORS["sift-fast"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warps", type=int, default=4, help="warps per image (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    scores: dict[str, list[PairScores]] = {precision: [] for precision in PRECISIONS}
    for a, b, b_from_a in warped_pairs(arguments.warps, np.random.default_rng(arguments.seed)):
        for precision, detect in PRECISIONS.items():
            scores[precision].append(score_pair(detect(a), detect(b), b_from_a))
    print("| precision | repeatability % | right/all matches | of matches right % | corner error, median px |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for precision, pairs in scores.items():
        mean = summarise(pairs)
        n_right, n_matches = (sum(getattr(pair, name) for pair in pairs) for name in ("n_right", "n_matches"))
        print(
            f"| {precision} | {100 * mean.repeatability:.2f} | {n_right}/{n_matches} | {100 * n_right / n_matches:.2f} "
            f"| {mean.median_corner_error:.3f} |"
        )


def warped_pairs(n_warps: int, rng: np.random.Generator) -> Iterator[tuple[Image, Image, NDArray[np.float64]]]:
    for name in PHOTOGRAPHS:
        image = read_image(Path(skimage.__file__).parent / "data" / name)
        for _ in range(n_warps):
            b_from_a = random_homography(image.shape[:2], rng)
            size = image.shape[1::-1]
            warped = cv2.warpPerspective(image, b_from_a, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
            noisy = warped + rng.normal(0, 2, warped.shape)
            yield image, np.clip(np.rint(noisy), 0, 255).astype(np.uint8), b_from_a


def random_homography(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a random homography that rotates, scales and tilts an image about its centre."""
    height, width = shape
    to_middle, back = np.eye(3), np.eye(3)
    to_middle[:2, 2], back[:2, 2] = (-width / 2, -height / 2), (width / 2, height / 2)
    angle, scale = rng.uniform(-np.pi, np.pi), np.exp2(rng.uniform(np.log2(0.6), np.log2(1.6)))
    rotation = np.eye(3)
    rotation[:2, :2] = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tilt = np.eye(3)
    tilt[2, :2] = rng.uniform(-0.3, 0.3, 2) / max(shape)
    homography: NDArray[np.float64] = back @ tilt @ rotation @ to_middle
    return homography / homography[2, 2]


if __name__ == "__main__":
    main()
