"""SIFT in both precisions on known homographies: do the keypoints of `fast` come back and match as those of `exact`.

Two sets of pairs with known homographies: the Oxford scenes (1-2 to 1-6), and photographs of scikit-image warped by
seeded random homographies (turn, scale 0.6 to 1.6, perspective), with a little noise added. Of the 2,000 strongest
keypoints of each picture:

- repeatability: the share of those of a that fall into b and have a keypoint of b within 2 px and 20 % of scale;
- matches by the ratio test at 0.8 on RootSIFT, correct within 3 px, all, and their ratio, the precision.

    python benchmarks/precision.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import protocol
import skimage
from matching import PHOTOGRAPHS, count_right, matches
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from classicvision.features.local import LocalFeatures, root_sift
from classicvision.features.sift import Sift
from classicvision.images import Image, read_image

SCENES = ["bikes", "boat", "graf", "leuven"]
SETTINGS = {precision: Sift(engine="native", precision=precision) for precision in ("exact", "fast")}

Pair = tuple[Image, Image, NDArray[np.float64]]


class Counts(NamedTuple):
    """Keypoints that come back and that could, correct matches and all matches."""

    n_repeated: int
    n_visible: int
    n_right: int
    n_matched: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warps", type=int, default=4, help="of each photograph (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print("| pairs | precision | repeatability % | correct/all matches | matching precision % |")
    print("| --- | --- | ---: | ---: | ---: |")
    oxford = protocol.shared_data() / "oxford_affine"
    for scene in SCENES:
        report(f"Oxford, {scene}", oxford_pairs(oxford / scene))
    rng = np.random.default_rng(arguments.seed)
    report("photographs, warped", warped_pairs(arguments.warps, rng))


def report(label: str, pairs: Iterator[Pair]) -> None:
    totals = dict.fromkeys(SETTINGS, np.zeros(4, int))
    for a, b, b_from_a in pairs:
        for precision, sift in SETTINGS.items():
            totals[precision] = totals[precision] + count(sift(a).strongest(2000), sift(b).strongest(2000), b_from_a)
    for precision, total in totals.items():
        counts = Counts(*total)
        repeatability, right = counts.n_repeated / counts.n_visible, counts.n_right / counts.n_matched
        print(
            f"| {label} | {precision} | {100 * repeatability:.2f} | {counts.n_right}/{counts.n_matched} "
            f"| {100 * right:.2f} |",
            flush=True,
        )


def count(a: LocalFeatures, b: LocalFeatures, b_from_a: NDArray[np.float64]) -> Counts:
    pairs = matches(root_sift(a.descriptors), root_sift(b.descriptors))
    n_right = count_right(a.xy[pairs[:, 0]], b.xy[pairs[:, 1]], b_from_a)
    mapped, growth = warp(a.xy, b_from_a)
    height, width = b.image_size
    is_visible = np.all((mapped >= 0) & (mapped <= (width - 1, height - 1)), axis=1)
    near = cKDTree(b.xy).query_ball_point(mapped[is_visible], 2.0)
    scale = (a.scale * growth)[is_visible]
    n_repeated = sum(
        bool(np.any(np.abs(np.log(b.scale[rows] / s)) < np.log(1.2))) for rows, s in zip(near, scale, strict=True)
    )
    return Counts(n_repeated, int(is_visible.sum()), n_right, len(pairs))


def warp(xy: NDArray[np.float32], b_from_a: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where (N, 2) points go, and how much a small length grows there: the root of the Jacobian."""
    mapped = np.column_stack([xy, np.ones(len(xy))]) @ b_from_a.T
    depth = mapped[:, 2]
    # The determinant of the Jacobian of a homography is that of its matrix over the cube of the depth.
    return mapped[:, :2] / depth[:, None], np.sqrt(np.abs(np.linalg.det(b_from_a) / depth**3))


def oxford_pairs(folder: Path) -> Iterator[Pair]:
    first = read_image(folder / "img1.png")
    for number in range(2, 7):
        yield first, read_image(folder / f"img{number}.png"), np.loadtxt(folder / f"H1to{number}p")


def warped_pairs(n_warps: int, rng: np.random.Generator) -> Iterator[Pair]:
    for name in PHOTOGRAPHS:
        image = read_image(Path(skimage.__file__).parent / "data" / name)
        for _ in range(n_warps):
            b_from_a = random_homography(image.shape[:2], rng)
            size = image.shape[1::-1]
            warped = cv2.warpPerspective(image, b_from_a, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
            noisy = warped + rng.normal(0, 2, warped.shape)
            yield image, np.clip(np.rint(noisy), 0, 255).astype(np.uint8), b_from_a


def random_homography(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Turn, scale and tilt a picture about its middle."""
    height, width = shape
    to_middle, back = np.eye(3), np.eye(3)
    to_middle[:2, 2], back[:2, 2] = (-width / 2, -height / 2), (width / 2, height / 2)
    angle, scale = rng.uniform(-np.pi, np.pi), np.exp2(rng.uniform(np.log2(0.6), np.log2(1.6)))
    turned = np.eye(3)
    turned[:2, :2] = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tilt = np.eye(3)
    tilt[2, :2] = rng.uniform(-0.3, 0.3, 2) / max(shape)
    homography: NDArray[np.float64] = back @ tilt @ turned @ to_middle
    return homography / homography[2, 2]


if __name__ == "__main__":
    main()
