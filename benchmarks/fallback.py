"""Images with too few keypoints: what a network finds beyond the perceptual hash, without a false match.

Images of BSDS500's training set, Caltech-101 and Scene-15, each blurred until it has too few keypoints. A network is
calibrated on every second image, as by `classicvision calibrate --backbone`, on pairs across folders. On the others we
count false matches among all pairs across folders, and the recall on copies of the blurred images.

Each column is a decision rule: the hash at its default threshold; the hash, the cosine and both together, each at the
loosest threshold without a false match on these very images, which is optimistic; and last what the program does: the
hash, and if it finds no copy, both together above the threshold calibrated on the other half.

    python benchmarks/fallback.py --network mobilenet.onnx=inception --json fallback.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import machine
import numpy as np
import protocol
from numpy.typing import NDArray

from classicvision import config, workflows
from classicvision.cache import FeatureCache, default_cache_folder
from classicvision.copies.backbone_calibration import soften
from classicvision.features.phash import PerceptualHash
from classicvision.images import Image, read_image
from classicvision.matching.global_match import HASH_THRESHOLD, has_enough_coefficients, symmetric_significance
from classicvision.matching.likeness import BackboneFallback, Seen, symmetric_cosines
from classicvision.matching.settings import MATCHING_SIFT, MatchSettings
from classicvision.synthetic import plagiarise

EDITS = (
    "jpeg-75",
    "jpeg-30",
    "scale-0.5",
    "brighter",
    "gamma-0.5",
    "gamma-2",
    "noise-10",
    "mirror-rotate-90",
    "crop-90",
    "crop-80",
    "crop-70",
    "text",
    "frame",
)


@dataclass(frozen=True, eq=False)
class BlurredImages:
    """Blurred images with enough texture to be compared."""

    images: list[Image]
    folders: NDArray[np.str_]
    seen: Seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocol.add_common_options(parser)
    parser.add_argument("--network", nargs="+", required=True, metavar="FILE=PREPROCESSING")
    parser.add_argument("--caltech", type=int, default=4, help="images per class (default %(default)s)")
    parser.add_argument("--scenes", type=int, default=20, help="images per class (default %(default)s)")
    parser.add_argument("--every", type=int, default=3, help="copy every n-th image (default %(default)s)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    files = photographs(arguments.caltech, arguments.scenes)
    result: dict[str, Any] = {"machine": machine.describe(), "n_images": len(files), "networks": {}}
    for network in arguments.network:
        result["networks"][Path(network).stem] = row = measure(network, files, arguments)
        print_table(network, row)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), "utf-8")


def photographs(n_caltech: int, n_scenes: int) -> list[Path]:
    """Return BSDS500's training set and the first images of each class of the other sets."""
    data = protocol.shared_data()
    files = sorted((data / "bsds500" / "train").glob("*.jpg"))
    for name, n in (("caltech101", n_caltech), ("scene15", n_scenes)):
        for folder in sorted(folder for folder in (data / name).iterdir() if folder.is_dir()):
            files += sorted(folder.glob("*.jpg"))[:n]
    return files


def measure(network: str, files: Sequence[Path], arguments: argparse.Namespace) -> dict[str, Any]:
    start = time.perf_counter()
    run = workflows.calibrate_backbone(
        files[::2],
        protocol.backbone(network),
        n_pairs=10**6,
        across_folders=True,
        cache=FeatureCache(default_cache_folder()),
        n_jobs=arguments.jobs,
    )
    fallback, known = run.fallback, run.fallback.calibration
    blurred = extract_all([(soften(read_image(path)), str(path.parent)) for path in files[1::2]], fallback)
    unrelated = blurred.folders[:, np.newaxis] != blurred.folders[np.newaxis]
    scores = compare(blurred.seen, blurred.seen, fallback)
    highest = {name: score[unrelated].max() for name, score in scores.items()}
    rows = np.arange(0, len(blurred.images), arguments.every)
    found = {edit: compare(copies(blurred, rows, edit, fallback), blurred.seen, fallback) for edit in EDITS}
    for of_edit in found.values():  # a copy and any image except its source is an unrelated pair too
        highest = {name: max(highest[name], score[unrelated[rows]].max()) for name, score in of_edit.items()}
    return {
        "calibration": config.to_dict(known),
        "threshold": fallback.threshold,
        "highest_cosine_of_calibration": float(run.cosines.max()),
        "n_unrelated": int(np.triu(unrelated).sum()) + len(EDITS) * int(unrelated[rows].sum()),
        "highest": {name: float(value) for name, value in highest.items()},
        "median_cosine": float(np.median(scores["cosine"][unrelated])),
        "n_copies": len(rows),
        "edits": {edit: summary(of_edit, rows, highest, fallback) for edit, of_edit in found.items()},
        "seconds": time.perf_counter() - start,
    }


def extract_all(labelled: Sequence[tuple[Image, str]], fallback: BackboneFallback) -> BlurredImages:
    seen = [(image, folder, PerceptualHash()(image)) for image, folder in labelled]
    images, folders, signatures = zip(*(one for one in seen if has_enough_coefficients(one[2])), strict=True)
    return BlurredImages(
        list(images), np.array(folders), Seen(np.stack(signatures), np.stack([fallback.features(x) for x in images]))
    )


def copies(blurred: BlurredImages, rows: NDArray[np.intp], edit: str, fallback: BackboneFallback) -> Seen:
    """Return the hashes and features of edited copies; the edit "brighter", not in `plagiarise`, adds a third."""
    made = []
    for row in rows.tolist():
        image = blurred.images[row]
        if edit == "brighter":
            made.append(np.clip(image * (4 / 3), 0, 255).astype(np.uint8))
        else:
            made.append(plagiarise(image, edit, np.random.default_rng([row, *edit.encode()]))[0])
    return Seen(np.stack([PerceptualHash()(x) for x in made]), np.stack([fallback.features(x) for x in made]))


def compare(a: Seen, b: Seen, fallback: BackboneFallback) -> dict[str, NDArray[np.float64]]:
    """Return the (M, N) scores of M images a and N images b, by hash, by cosine and by both."""
    scores: dict[str, list[NDArray[np.floating]]] = {"hash": [], "cosine": [], "both": []}
    for signature, features in zip(*a, strict=True):
        scores["hash"].append(symmetric_significance(signature, b.signature).max(axis=1))
        scores["cosine"].append(symmetric_cosines(features, b.features).max(axis=1))
        scores["both"].append(fallback.compare(Seen(signature, features), b).significance)
    return {name: np.stack(rows).astype(np.float64) for name, rows in scores.items()}


def summary(
    scores: dict[str, NDArray[np.float64]],
    rows: NDArray[np.intp],
    highest: dict[str, float],
    fallback: BackboneFallback,
) -> dict[str, float]:
    own = {name: score[np.arange(len(rows)), rows] for name, score in scores.items()}
    by_hash = own["hash"] >= HASH_THRESHOLD
    shares = {f"{name} at its best": np.mean(own[name] > highest[name]) for name in own}
    return {
        "hash": float(np.mean(by_hash)),
        **{name: float(share) for name, share in shares.items()},
        "hash, then both": float(np.mean(by_hash | (own["both"] > fallback.threshold))),
        "median cosine": float(np.median(own["cosine"])),
    }


def print_table(network: str, row: dict[str, Any]) -> None:
    together, highest = row["calibration"]["together"], row["highest"]
    print(f"\n{network}: calibrated on {together['n_pairs']:,} pairs of {together['n_images']} images, highest cosine")
    print(f"{row['highest_cosine_of_calibration']:.4f}, highest of both {together['highest']:.2f}; threshold", end=" ")
    print(f"{row['threshold']:.2f}. On {row['n_unrelated']:,} other unrelated pairs (median cosine", end=" ")
    print(f"{row['median_cosine']:.3f}) the highest are: {', '.join(f'{k} {v:.4g}' for k, v in highest.items())}.")
    print(f"{row['n_copies']} copies per edit; {row['seconds']:.0f} s. Extractor {MATCHING_SIFT}, {MatchSettings()}\n")
    columns = list(next(iter(row["edits"].values())))
    print(f"| edit | {' | '.join(columns)} |\n| --- |{' ---: |' * len(columns)}")
    for edit, shares in row["edits"].items():
        print(f"| {edit} | {' | '.join(f'{shares[column]:.3f}' for column in columns)} |")
    means = [np.mean([shares[column] for shares in row["edits"].values()]) for column in columns]
    print(f"| **mean** | {' | '.join(f'{mean:.3f}' for mean in means)} |")


if __name__ == "__main__":
    main()
