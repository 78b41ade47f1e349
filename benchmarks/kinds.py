"""Copies and lookalikes by kind of image: text, charts, icons, maps, cards, photographs and others.

Protocol. Of each kind of `synthetic.kinds.KINDS` some works are drawn, and of each work one copy per edit: another
format (JPEG 90), half size, JPEG 40, a crop to half of the area, a rotation by 10 degrees, and a caption. A copy is
found if it and its work are reported as a copy. A pair of different works that is reported as a copy is false.
Photographs (BSDS500's training set), faces, motorbikes and stop signs come from the shared folder; a few of the
faces are of one person or in front of one background, so pairs found there have to be checked by eye.

Templates are works of one layout with other content (`TEMPLATES`). Here a partial copy is true too, if what is
outlined is what both share. Blank paper may be outlined or not: the true share lies between that of everything both
share and that of what is within 8 pixels of an edge. The error is the distance from there, in points (hundredths of
the area); a pair is right if it is not called a copy, or if the error is at most 5 points.

Each pair is decided as `classicvision match` does, at default settings, with the features of an image computed once.

    python benchmarks/kinds.py --images 100 --jobs 2 --json kinds.json
    python benchmarks/kinds.py --images 30 --kinds text chart-line photographs --templates
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import cv2
import machine
import numpy as np
import protocol
from joblib import Parallel, delayed
from numpy.typing import NDArray

from classicvision.copies.image_pair import LoadedImage, compare_images
from classicvision.images import Image, read_image, write_image
from classicvision.matching.result import MatchResult
from classicvision.matching.settings import MATCHING_SIFT
from classicvision.synthetic import plagiarise
from classicvision.synthetic.kinds import KINDS, TEMPLATES, draw_works

# Column of the table: edit of `synthetic.EDITS`.
EDITS: Final = {
    "format": "jpeg-90",
    "half": "scale-0.5",
    "jpeg 40": "jpeg-40",
    "crop": "crop-50",
    "10 degrees": "rotate-10",
    "caption": "caption",
}
FOLDERS: Final = {
    "photographs": "bsds500/train",
    "faces": "lookalikes/faces",
    "motorbikes": "lookalikes/motorbikes",
    "stop-signs": "lookalikes/stop_signs",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocol.add_common_options(parser)
    parser.add_argument("--images", type=int, default=100, help="at most so many of each kind (default %(default)s)")
    parser.add_argument("--kinds", nargs="+", default=[*FOLDERS, *KINDS], help="kinds to test; by default all")
    parser.add_argument("--templates", nargs="*", default=list(TEMPLATES), help="templates to test; by default all")
    parser.add_argument("--template-images", type=int, default=20, help="of each template (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other works (default %(default)s)")
    arguments = parser.parse_args()
    if missing := [kind for kind in arguments.kinds if kind in FOLDERS and not paths_of(kind)]:
        raise SystemExit(f"no JPEG files in {protocol.shared_data()} for {', '.join(missing)}; choose other --kinds")
    parallel = Parallel(arguments.jobs, return_as="generator")
    tasks = (delayed(measure_kind)(kind, arguments.images, arguments.seed) for kind in arguments.kinds)
    kinds = print_kinds(parallel(tasks))
    tasks = (delayed(measure_template)(name, arguments.template_images, arguments.seed) for name in arguments.templates)
    templates = print_templates(parallel(tasks))
    result = {"machine": machine.describe(), "images": arguments.images, "kinds": kinds, "templates": templates}
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), "utf-8")


def measure_kind(kind: str, n: int, seed: int) -> dict[str, Any]:
    """Compare each work of a kind with its copies, and with every other work."""
    cv2.setNumThreads(1)
    works = shared_images(kind, n) if kind in FOLDERS else draw_works(kind, n, seed)
    loaded = load(works)
    recall, missed = {}, {}
    for column, edit in EDITS.items():
        made = [plagiarise(work, edit, np.random.default_rng([seed, i]))[0] for i, work in enumerate(works)]
        found = [compare(a, b) for a, b in zip(loaded, load(made), strict=True)]
        recall[column] = sum(result.verdict == "copy" for result in found) / len(found)
        missed[column] = [[i, result.verdict] for i, result in enumerate(found) if result.verdict != "copy"]
    pairs = [(i, j, compare(loaded[i], loaded[j])) for i, j in combinations(range(len(loaded)), 2)]
    return {
        "kind": kind,
        "n_images": len(works),
        "recall": recall,
        "missed": missed,
        **summary(pairs),
    }


def measure_template(name: str, n: int, seed: int) -> dict[str, Any]:
    """Compare all images of a template, and what is outlined with what is shared."""
    cv2.setNumThreads(1)
    drawn = [TEMPLATES[name](np.random.default_rng([seed, number])) for number in range(n)]
    loaded = load([image for image, _ in drawn])
    pairs = [(i, j, compare(loaded[i], loaded[j])) for i, j in combinations(range(n), 2)]
    errors, shares = [], []
    for i, j, result in pairs:
        least, most = shared_range(drawn[i][0], drawn[i][1] | drawn[j][1])
        shares.append(most)
        if result.verdict == "copy":
            outlined = outlined_share(result)
            errors.append(100 * (outlined - min(max(outlined, least), most)))
    off = np.abs(errors)
    return {
        "template": name,
        "n_images": n,
        "shared": float(np.mean(shares)),
        **summary(pairs),
        "right": (len(pairs) - int((off > 5).sum())) / len(pairs),
        "errors": np.quantile(errors, [0, 0.5, 1]).round(1).tolist() if errors else [],
    }


def summary(pairs: Sequence[tuple[int, int, MatchResult]]) -> dict[str, Any]:
    """Return the verdicts of pairs of different works, and the pairs that are called copies."""
    copies = [
        {"pair": [i, j], "score": round(result.score, 1), "method": result.method, "share": outlined_share(result)}
        for i, j, result in pairs
        if result.verdict == "copy"
    ]
    return {
        "n_pairs": len(pairs),
        "verdicts": dict(Counter(result.verdict for _, _, result in pairs)),
        "copies": copies,
    }


def shared_range(image: Image, individual: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the least and the most that two images share: without and with what is blank in both."""
    side = np.ones((3, 3), np.uint8)
    has_edge = cv2.morphologyEx(image, cv2.MORPH_GRADIENT, side).max(axis=2) > 16
    near_edge = cv2.dilate(has_edge.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
    return float((near_edge & ~individual).mean()), float((~individual).mean())


def outlined_share(result: MatchResult) -> float:
    """Return the share of image a that the regions report; 1 if the images are compared as a whole."""
    return min(1.0, sum(region.share_a for region in result.regions)) if result.regions else 1.0


def compare(a: LoadedImage, b: LoadedImage) -> MatchResult:
    """Compare two images as `classicvision match` does."""
    return compare_images(a, b, None, None)


def load(images: Sequence[Image]) -> list[LoadedImage]:
    """Load images as from PNG files."""
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "image.png"
        loaded = []
        for image in images:
            write_image(path, image)
            loaded.append(LoadedImage.read(path, MATCHING_SIFT))
        return loaded


def shared_images(kind: str, n: int) -> list[Image]:
    """Read the first `n` images of a shared folder."""
    return [read_image(path) for path in paths_of(kind)[:n]]


def paths_of(kind: str) -> list[Path]:
    return sorted((protocol.shared_data() / FOLDERS[kind]).glob("*.jpg"))


def print_kinds(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print a row per kind, each as soon as it is measured, and return all."""
    print(f"| kind | images | {' | '.join(EDITS)} | pairs | false copies | related | undecided |")
    print("| --- |" + " ---: |" * (len(EDITS) + 5))
    done = []
    for row in rows:
        recall = " | ".join(f"{row['recall'][column]:.2f}" for column in EDITS)
        counts = " | ".join(str(row["verdicts"].get(verdict, 0)) for verdict in ("copy", "related", "cannot decide"))
        print(f"| {row['kind']} | {row['n_images']} | {recall} | {row['n_pairs']} | {counts} |", flush=True)
        done.append(row)
    return done


def print_templates(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print a row per template, each as soon as it is measured, and return all."""
    print("\n| template | shared % | pairs | copy | related | no evidence | undecided | right % | error, points |")
    print("| --- |" + " ---: |" * 8)
    done = []
    for row in rows:
        verdicts = ("copy", "related", "no evidence", "cannot decide")
        counts = " | ".join(str(row["verdicts"].get(verdict, 0)) for verdict in verdicts)
        error = "{:+.0f} ({:+.0f} to {:+.0f})".format(*(row["errors"][i] for i in (1, 0, 2))) if row["errors"] else ""
        shared, right = 100 * row["shared"], 100 * row["right"]
        print(f"| {row['template']} | {shared:.0f} | {row['n_pairs']} | {counts} | {right:.0f} | {error} |", flush=True)
        done.append(row)
    return done


if __name__ == "__main__":
    main()
