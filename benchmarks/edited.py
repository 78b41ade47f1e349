"""Accuracy of the outlines of edited copies: the share that is outlined, and what differs.

Protocol. Of the 200 images of BSDS500's training set, sorted by name, every second one is a source. A part of known
area is replaced by the same part of another source: a rectangle or an ellipse at a random place. The copy is then
compressed (JPEG 75). Reported by area: how far the outlined share is from the true one, in points of the area, and how
much of the replaced part the outlines of what differs cover.

    python benchmarks/edited.py
    python benchmarks/edited.py --sources 30 --json edited.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import machine
import numpy as np
import protocol
from joblib import Parallel, delayed
from numpy.typing import NDArray

from classicvision.images import Image, read_image
from classicvision.matching.pair import match_features
from classicvision.matching.pixels.verification import verify_by_pixels
from classicvision.matching.result import MatchResult
from classicvision.matching.settings import MATCHING_SIFT

AREAS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
QUALITY = 75


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocol.add_common_options(parser)
    parser.add_argument("--sources", type=int, default=100, help="maximum number of sources (default %(default)s)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    paths = sorted((protocol.shared_data() / "bsds500" / "train").glob("*.jpg"))[::2][: arguments.sources]
    tasks = (delayed(measure)(number, paths) for number in range(len(paths)))
    rows = [row for of_one in Parallel(arguments.jobs)(tasks) for row in of_one]
    result = {"n_sources": len(paths), "areas": [summary(area, rows) for area in AREAS], "all": summary(None, rows)}
    result["machine"] = machine.describe()
    print("| replaced | copies | share off by, median | 95 % within | covered, median | at least 80 % covered |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in (*result["areas"], result["all"]):
        print(
            f"| {row['name']} | {row['n_copies']} of {row['n']} | {row['off_median']:.1f} | {row['off_95']:.1f} | "
            f"{row['covered_median']:.0f} % | {row['well_covered']:.0f} % |"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), "utf-8")


def measure(number: int, paths: list[Path]) -> list[dict[str, Any]]:
    """Replace parts of one source, a rectangle and an ellipse of each area."""
    image, other = read_image(paths[number]), read_image(paths[(number + 1) % len(paths)])
    height, width = image.shape[:2]
    other = np.asarray(cv2.resize(other, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    features = MATCHING_SIFT(image)
    rows = []
    for area in AREAS:
        for is_round in (False, True):
            rng = np.random.default_rng([number, round(1000 * area), is_round])
            replaced = draw_part((height, width), area, rng, is_round=is_round)
            copy = compress(np.where(replaced[..., None], other, image).astype(np.uint8))
            found = MATCHING_SIFT(copy)
            result = verify_by_pixels(image, copy, features, found, match_features(features, found))
            rows.append({"area": area, "replaced": float(replaced.mean()), **judged(result, replaced)})
    return rows


def draw_part(size: tuple[int, int], area: float, rng: np.random.Generator, *, is_round: bool) -> NDArray[np.bool_]:
    """Return the pixels (H, W) of a rectangle or an ellipse of about this share of the image."""
    height, width = size
    stretch = rng.uniform(0.6, 1.6)
    factor = np.sqrt(area * (4 / np.pi if is_round else 1))
    tall, wide = min(height - 2, round(height * factor * stretch)), min(width - 2, round(width * factor / stretch))
    top, left = int(rng.integers(0, height - tall)), int(rng.integers(0, width - wide))
    mask = np.zeros(size, np.uint8)
    if is_round:
        cv2.ellipse(mask, (left + wide // 2, top + tall // 2), (wide // 2, tall // 2), 0, 0, 360, 1, -1)
    else:
        mask[top : top + tall, left : left + wide] = 1
    return mask > 0


def compress(image: Image) -> Image:
    data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def judged(result: MatchResult, replaced: NDArray[np.bool_]) -> dict[str, Any]:
    outlined = np.zeros(replaced.shape, np.uint8)
    for region in result.regions:
        for difference in region.pixels.differences if region.pixels else ():
            cv2.fillPoly(outlined, [np.rint(difference.polygon_a).astype(np.int32)], 1)
    share = sum(region.share_a for region in result.regions)
    return {
        "is_copy": result.verdict == "copy",
        "off": 100 * abs(share - (1 - replaced.mean())),
        "covered": 100 * float(outlined[replaced].mean()),
    }


def summary(area: float | None, rows: list[dict[str, Any]]) -> dict[str, Any]:
    chosen = [row for row in rows if area is None or row["area"] == area]
    copies = [row for row in chosen if row["is_copy"]]
    off, covered = (np.array([row[key] for row in copies]) for key in ("off", "covered"))
    return {
        "name": "all" if area is None else f"{100 * area:.0f} %",
        "n": len(chosen),
        "n_copies": len(copies),
        "off_median": float(np.median(off)),
        "off_95": float(np.quantile(off, 0.95)),
        "covered_median": float(np.median(covered)),
        "well_covered": 100 * float(np.mean(covered >= 80)),
    }


if __name__ == "__main__":
    main()
