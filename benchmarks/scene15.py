"""Scene-15: 100 random training images a class, the rest is the test set; mean per-class accuracy over seeded splits.

The codebook is learned, and C chosen by cross-validation, on the training images of each split alone; the folds share
the codebook.

    python benchmarks/scene15.py --splits 10 --recipe sift-bovw
    python benchmarks/scene15.py --splits 2 --recipe mine.toml --set encoder.n_words=4000
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import protocol

from classicvision import ImageFolder, Store, extract, load_recipe
from classicvision.items import Items
from classicvision.models.coding import encode_in_workers
from classicvision.models.training import Training, train

N_TRAIN = 100
_BLOCK_IMAGES = 256  # predicted at a time: the head widens codes to float64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, metavar="SPLIT", help="number, and seed, of the first split")
    parser.add_argument("--recipe", action="append", help="a name or a TOML file; may be repeated")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--cache", type=Path, help="where features are kept; by default a temporary folder")
    protocol.add_common_options(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(options.cache or Path(folder))
        results = [
            measure(name, options.overrides, range(options.first, options.first + options.splits), store, options.jobs)
            for name in options.recipe or ["sift-bovw"]
        ]
    print(f"\nScene-15, {options.splits} splits, {protocol.versions_line()}\n")
    print("| recipe | mean per-class accuracy % | deviation | numbers an image | minutes |")
    print("| --- | --- | --- | --- | --- |")
    for r in results:
        print(f"| {r['recipe']} | {r['mean']:.2f} | {r['deviation']:.2f} | {r['dimension']} | {r['minutes']:.1f} |")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def measure(name: str, overrides: Sequence[str], splits: range, store: Store, n_jobs: int) -> dict[str, Any]:
    start = time.monotonic()
    images = ImageFolder.open(protocol.shared_data() / "scene15")
    recipe = load_recipe(name, overrides)
    found = extract(images.paths, recipe.extractor, store=store, n_jobs=n_jobs)
    if found.failures:
        raise SystemExit(f"{len(found.failures)} images cannot be read, the first is {found.failures[0]}")
    items = found.items
    accuracies, costs = [], []
    for split in splits:
        rows, test = protocol.split_rows(images.labels, N_TRAIN, seed=split)
        labels = [images.labels[row] for row in rows]
        seeded = load_recipe(name, overrides, seed=split)
        learned = train(items[rows], labels, seeded, n_jobs=n_jobs, share_codebook=True)
        predicted = predict(learned, items[test], n_jobs)
        accuracies.append(100 * protocol.mean_per_class([images.labels[row] for row in test], predicted))
        costs.append(learned.head.cost)
        checked = 100 * learned.validation.mean_per_class_accuracy
        print(
            f"{name} split {split}: {accuracies[-1]:.2f} % (cross-validated {checked:.2f} %, C = {costs[-1]:g})",
            flush=True,
        )
    return {
        "recipe": name,
        "overrides": list(overrides),
        "mean": float(np.mean(accuracies)),
        "deviation": float(np.std(accuracies, ddof=1)) if len(splits) > 1 else 0.0,
        "accuracies": accuracies,
        "costs": costs,
        "dimension": learned.codebook.n_outputs,
        "minutes": (time.monotonic() - start) / 60,
    }


def predict(learned: Training, items: Items, n_jobs: int) -> list[str]:
    codes = encode_in_workers(learned.codebook, items, n_jobs)
    blocks = (codes[start : start + _BLOCK_IMAGES] for start in range(0, len(codes), _BLOCK_IMAGES))
    return [learned.head.classes[i] for block in blocks for i in learned.head.predict(block)]


if __name__ == "__main__":
    main()
