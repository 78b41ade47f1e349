"""The accuracy of recipes over seeded splits of an image set, stored per split in a JSON file and shown as a table.

In each split the codebook is learned, and C and the weights of a fusion are chosen by cross-validation, on the training
images only; the folds share the codebook. Splits that the file already has are not measured again, unless the recipe
has changed since.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import machine
import numpy as np
import protocol

from classicvision import FeatureCache, ImageFolder, Recipe, config, extract, load_recipe, read_image
from classicvision.classify.coding import encode_in_workers
from classicvision.classify.named_recipes import short_name
from classicvision.classify.training import Training, train
from classicvision.items import Items

RECIPES = (
    *("sift-bovw", "sift-bovw-chi2", "sift-bovw-soft", "dense-bovw", "dense-bovw-spm"),
    *("llc", "vlad", "fisher", "fisher-best"),
)
N_TIMED = 25  # images
_BLOCK_IMAGES = 256  # predicted at a time: the head widens codes to float64


@dataclass(frozen=True)
class ImageSet:
    """A folder of images by class."""

    title: str
    folder: str  # in the folder of image sets
    n_train: int  # training images per class


SCENE15 = ImageSet("Scene-15", "scene15", 100)
CALTECH = ImageSet("Caltech-101, 8 classes", "caltech101", 30)


@dataclass(frozen=True)
class Row:
    """The figures of a recipe on one split."""

    recipe: str
    overrides: tuple[str, ...]
    fingerprint: str  # of the recipe with seed 0
    split: int  # number and seed
    accuracy: float  # mean per class on the test images, in per cent
    cross_validated: float  # the same, cross-validated on the training images
    cost: float
    weights: tuple[float, ...]  # of a fusion
    dimension: int  # of a code
    ms: float  # from a decoded image to its code, one thread: median processor time over some images
    minutes: float  # wall time of the whole split
    machine: str
    commit: str

    @property
    def label(self) -> str:
        """The recipe's name and its overrides."""
        return " ".join([self.recipe, *self.overrides])


def run(images: ImageSet, description: str, default: Sequence[str]) -> None:
    """Measure the recipes and splits of the command line, and print a table of everything in the file."""
    options = _parse(description, default)
    rows = read_rows(options.json)
    splits = range(options.first_split, options.first_split + options.splits)
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(options.cache or Path(folder))
        for name in options.recipe or default:
            known = {row.split for row in rows if row.fingerprint == _fingerprint(name, options.overrides)}
            for row in measure(images, name, options.overrides, [s for s in splits if s not in known], cache, options):
                rows = [*(old for old in rows if not _is_replaced(old, row)), row]
                write_rows(options.json, rows)
    print(f"\n{protocol.versions_line()}\n")
    print(table({images.title: rows}))


def _parse(description: str, default: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    text = f"a name, a TOML file, cnn:FILE or fusion:FILE; repeatable. By default {', '.join(default)}"
    parser.add_argument("--recipe", action="append", help=text)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--splits", type=int, default=10, help="number of splits")
    parser.add_argument(
        "--first-split", type=int, default=0, metavar="SPLIT", help="number and seed of the first split"
    )
    parser.add_argument("--cache", type=Path, help="folder of the feature cache; by default a temporary one")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--json", type=Path, help="figures of earlier runs; those of this run are added")
    return parser.parse_args()


def measure(
    images: ImageSet,
    name: str,
    overrides: Sequence[str],
    splits: Sequence[int],
    cache: FeatureCache,
    options: argparse.Namespace,
) -> Iterator[Row]:
    """Yield the row of each split when it is done."""
    if not splits:
        return
    folder = ImageFolder.open(protocol.shared_data() / images.folder)
    found = extract(folder.paths, load_recipe(name, overrides).extractor, cache=cache, n_jobs=options.jobs)
    if found.failures:
        raise SystemExit(f"{len(found.failures)} images cannot be read, the first is {found.failures[0]}")
    for split in splits:
        row = _measure_split(images, folder, found.items, name, overrides, split, cache, options.jobs)
        print(
            f"{row.label} split {split}: {row.accuracy:.2f} % (cross-validated {row.cross_validated:.2f} %, "
            f"C = {row.cost:g}), {row.minutes:.1f} minutes",
            flush=True,
        )
        yield row


def _measure_split(
    images: ImageSet,
    folder: ImageFolder,
    items: Items[Any],
    name: str,
    overrides: Sequence[str],
    split: int,
    cache: FeatureCache,
    n_jobs: int,
) -> Row:
    start, facts = time.monotonic(), machine.describe()
    rows, test = protocol.split_rows(folder.labels, images.n_train, seed=split)
    recipe = load_recipe(name, overrides, seed=split)
    if items.recomputed:  # wide codes are too large for the cache of all splits
        cache = FeatureCache.temporary()
    labels = [folder.labels[row] for row in rows]
    learned = train(items[rows], labels, recipe, cache=cache, n_jobs=n_jobs, share_codebook=True)
    predicted = predict(learned, items[test], n_jobs)
    return Row(
        recipe=short_name(name),
        overrides=tuple(overrides),
        fingerprint=_fingerprint(name, overrides),
        split=split,
        accuracy=100 * protocol.mean_per_class([folder.labels[row] for row in test], predicted),
        cross_validated=100 * learned.validation.mean_per_class_accuracy,
        cost=learned.head.cost,
        weights=learned.validation.weights,
        dimension=learned.codebook.n_outputs,
        ms=milliseconds(recipe, learned, [folder.paths[row] for row in test[:: max(1, len(test) // N_TIMED)]]),
        minutes=(time.monotonic() - start) / 60,
        machine=f"{facts['cpu']}, {facts['instruction_set']}",
        commit=facts["commit"],
    )


def predict(learned: Training, items: Items[Any], n_jobs: int) -> list[str]:
    """Return the class of each image."""
    codes = encode_in_workers(learned.codebook, items, n_jobs)
    blocks = (codes[start : start + _BLOCK_IMAGES] for start in range(0, len(codes), _BLOCK_IMAGES))
    return [learned.head.classes[i] for block in blocks for i in learned.head.predict(block)]


def milliseconds(recipe: Recipe, learned: Training, paths: Sequence[Path]) -> float:
    """Return the processor time from a decoded image to its code: the median over some images, after a warm-up."""
    from threadpoolctl import threadpool_limits

    seconds = []
    with threadpool_limits(1):
        for path in [paths[0], *paths]:
            image = read_image(path)
            start = time.process_time()
            learned.codebook.encode_all([recipe.extractor(image)])
            seconds.append(time.process_time() - start)
    return 1000 * float(np.median(seconds[1:]))


def read_rows(path: Path | None) -> list[Row]:
    """Read the rows of a file; empty if it does not exist."""
    if path is None or not path.exists():
        return []
    plain = json.loads(path.read_text("utf-8"))
    lists = ("overrides", "weights")
    return [Row(**row | {key: tuple(row[key]) for key in lists}) for row in plain]


def rows_of_benchmark(path: Path | None) -> list[Row]:
    """Convert the JSON of `classicvision benchmark`, which uses the same splits, to rows.

    Its milliseconds are measured by another clock and it has no cross-validated accuracy: both are NaN here.
    """
    if path is None:
        return []
    found = json.loads(path.read_text("utf-8"))
    facts, first = found["machine"], found["settings"]["seed"]
    return [
        Row(
            recipe=short_name(recipe["argument"]),
            overrides=(),
            fingerprint="",
            split=first + number,
            accuracy=100 * accuracy,
            cross_validated=math.nan,
            cost=recipe["costs"][number],
            weights=tuple(recipe["weights"][number]),
            dimension=recipe["n_outputs"],
            ms=math.nan,
            minutes=math.nan,
            machine=f"{facts['cpu']}, {facts['instruction_set']}",
            commit="unknown",
        )
        for recipe in found["recipes"]
        for number, accuracy in enumerate(recipe["per_split"])
    ]


def write_rows(path: Path | None, rows: Sequence[Row]) -> None:
    """Write rows atomically, so that a killed run leaves either the old file or the new one."""
    if path is None:
        return
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", "utf-8")
    partial.replace(path)


def table(sets: dict[str, list[Row]]) -> str:
    """Format the recipes and their figures on each image set as Markdown; time is from the first set that has it."""
    labels = list(dict.fromkeys(row.label for rows in sets.values() for row in rows))
    header = ["recipe", *(f"{title}, %" for title in sets), "dimensions", "ms per image"]
    lines = [f"| {' | '.join(header)} |", f"| --- |{' ---: |' * (len(header) - 1)}"]
    for label in _in_order(labels):
        of_sets = [[row for row in rows if row.label == label] for rows in sets.values()]
        rows = next(rows for rows in of_sets if rows)
        timed = next((times for rows in of_sets if (times := [row.ms for row in rows if math.isfinite(row.ms)])), None)
        ms = f"{np.median(timed):.1f}" if timed else ""
        cells = [f"`{label}`", *map(_accuracy, of_sets), f"{rows[0].dimension:,}", ms]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _accuracy(rows: Sequence[Row]) -> str:
    """Format mean, standard deviation and number of splits."""
    if not rows:
        return ""
    values = [row.accuracy for row in rows]
    deviation = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{deviation} ({len(values)})"


def _in_order(labels: Sequence[str]) -> list[str]:
    """Return the named recipes in their usual order, then the others in order of appearance."""
    return [*(name for name in RECIPES if name in labels), *(label for label in labels if label not in RECIPES)]


def _is_replaced(old: Row, new: Row) -> bool:
    """Whether a new row replaces an old one: same recipe, with other settings or for the same split."""
    return old.label == new.label and (old.fingerprint != new.fingerprint or old.split == new.split)


def _fingerprint(name: str, overrides: Sequence[str]) -> str:
    return config.fingerprint(load_recipe(name, overrides, seed=0))
