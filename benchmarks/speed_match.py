"""Speed of matching two images against OpenCV: nearest neighbours, ratio test and a robust homography, one thread.

Both get the same keypoints and descriptors, extracted before. OpenCV gets RootSIFT in float32, computed before, and
runs BFMatcher.knnMatch, the ratio test at 0.8 and findHomography with USAC_MAGSAC. Ours includes RootSIFT, matches in
both directions, tries the mirror image if nothing is found, and estimates the transform, its kind, the outlines and the
significance. Each figure is the median CPU time, alternating between the two. Copies are pairs of the same scene and
synthetic copies; strangers are images of different scenes.

    OMP_NUM_THREADS=1 python benchmarks/speed_match.py
    OMP_NUM_THREADS=1 CLASSICVISION_ISA=v3 python benchmarks/speed_match.py --json match.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import machine
import numpy as np
import protocol
from threadpoolctl import threadpool_limits

from classicvision.features.local import LocalFeatures
from classicvision.features.rootsift import root_sift
from classicvision.features.sift import Sift
from classicvision.images import read_image
from classicvision.matching.pair import match_features
from classicvision.synthetic.plagiarism import plagiarise

SIFT = Sift(contrast=0.01, max_features=1000)
SCENES = [("boat", 1, 2), ("leuven", 1, 3), ("bikes", 1, 2), ("graf", 1, 2)]
EDITS = ["jpeg-50", "rotate", "mirror", "crop-50"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9, help="repetitions per pair (default %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rows = []
    print("| pair | kind | keypoints | verdict | OpenCV ms | ours ms | times faster |")
    print("| --- | --- | ---: | --- | ---: | ---: | ---: |")
    with threadpool_limits(1):
        for name, kind, a, b in pairs():
            row = {"pair": name, "kind": kind, "keypoints": [len(a), len(b)], **compare(a, b, arguments.repeats)}
            rows.append(row)
            print(
                f"| {name} | {kind} | {len(a)}, {len(b)} | {row['verdict']} | {row['opencv_ms']:.1f} "
                f"| {row['ours_ms']:.2f} | {row['ratio']:.1f} |"
            )
    summary = {
        kind: geometric_mean([row["ratio"] for row in rows if row["kind"] == kind]) for kind in ("copy", "strangers")
    }
    for kind, ratio in summary.items():
        print(f"| **geometric mean** | {kind} | | | | | **{ratio:.2f}** |")
    facts = machine.describe() | {"opencv": cv2.__version__}
    print("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()))
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"machine": facts, "pairs": rows, "ratio": summary}, indent=2) + "\n", "utf-8"
        )


def pairs() -> Iterator[tuple[str, str, LocalFeatures, LocalFeatures]]:
    data = protocol.shared_data()
    scenes = {
        (scene, number): SIFT(read_image(data / "oxford_affine" / scene / f"img{number}.png"))
        for scene, first, second in SCENES
        for number in (first, second)
    }
    for scene, first, second in SCENES:
        yield f"{scene} {first}-{second}", "copy", scenes[scene, first], scenes[scene, second]
    photograph = read_image(data / "oxford_affine" / "leuven" / "img1.png")
    for edit in EDITS:
        copy, _ = plagiarise(photograph, edit, np.random.default_rng(0))
        yield f"leuven, {edit}", "copy", scenes["leuven", 1], SIFT(copy)
    for (scene, first, _), (other, _, second) in zip(SCENES, SCENES[1:] + SCENES[:1], strict=True):
        yield f"{scene} {first}, {other} {second}", "strangers", scenes[scene, first], scenes[other, second]


def compare(a: LocalFeatures, b: LocalFeatures, repeats: int) -> dict[str, Any]:
    roots = root_sift(a.descriptors), root_sift(b.descriptors)
    ways: dict[str, Callable[[], Any]] = {
        "opencv_ms": lambda: match_by_opencv(a, b, *roots),
        "ours_ms": lambda: match_features(a, b),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.process_time()
            way()
            seconds[name].append(time.process_time() - start)
    medians = {name: 1000 * float(np.median(values)) for name, values in seconds.items()}
    return {**medians, "ratio": medians["opencv_ms"] / medians["ours_ms"], "verdict": match_features(a, b).verdict}


def match_by_opencv(a: LocalFeatures, b: LocalFeatures, root_a: np.ndarray, root_b: np.ndarray) -> Any:
    found = cv2.BFMatcher(cv2.NORM_L2).knnMatch(root_a, root_b, k=2)
    good = [first for first, second in found if first.distance < 0.8 * second.distance]
    if len(good) < 4:
        return None
    start = a.xy[[match.queryIdx for match in good]]
    end = b.xy[[match.trainIdx for match in good]]
    return cv2.findHomography(start, end, cv2.USAC_MAGSAC, 3.0)


def geometric_mean(ratios: list[float]) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


if __name__ == "__main__":
    main()
