"""Linear probes: the accuracy of a linear SVM on the features of networks, for scenes and objects, over seeded splits.

Features are extracted once per network; C is chosen by cross-validation on the training images of each split only.
There are 100 training images per class for Scene-15 and 30 for the 8 classes of Caltech-101; the rest is the test set.
Accuracy is the mean over the classes.

    python benchmarks/backbones.py --splits 10 mobilenetv2.onnx=inception googlenet.onnx=caffe
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import protocol

from classicvision import FeatureCache, ImageFolder, OnnxBackbone, extract, load_recipe
from classicvision.classify.training import train

N_TRAIN = {"scene15": 100, "caltech101": 30}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="FILE[=PREPROCESSING]", help="by default the networks in onnx/")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--stage", default="penultimate")
    parser.add_argument("--views", nargs="+", default=["one"], choices=["one", "mirror", "whole", "ten-crop"])
    parser.add_argument("--sets", nargs="+", default=list(N_TRAIN), choices=list(N_TRAIN))
    parser.add_argument("--cache", type=Path, help="folder of the feature cache; by default a temporary one")
    protocol.add_common_options(parser)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(options.cache or Path(folder))
        for name in options.sets:
            for network in options.networks or protocol.shared_networks():
                for views in options.views:
                    results.append(measure(name, network, options.stage, views, options.splits, cache, options.jobs))
    print(f"\n{options.splits} splits, stage {options.stage}, {protocol.versions_line()}\n")
    print("| images | network | views | mean per-class accuracy % | deviation | dimensions |")
    print("| --- | --- | --- | --- | --- | --- |")
    for r in results:
        row = (r["images"], r["network"], r["views"], f"{r['mean']:.2f}", f"{r['deviation']:.2f}", r["dimension"])
        print("| " + " | ".join(map(str, row)) + " |")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def measure(
    name: str, network: str, stage: str, views: str, n_splits: int, cache: FeatureCache, n_jobs: int
) -> dict[str, Any]:
    path, _, preprocessing = network.partition("=")
    settings = [f'extractor.stage="{stage}"', f"extractor.views={views}"]
    settings += [f"extractor.preprocessing={preprocessing}"] if preprocessing else []
    images = ImageFolder.open(protocol.shared_data() / name)
    recipe = load_recipe(f"cnn:{path}", settings)
    assert isinstance(recipe.extractor, OnnxBackbone)
    start = time.monotonic()
    found = extract(images.paths, recipe.extractor, cache=cache, n_jobs=n_jobs)
    seconds = time.monotonic() - start
    if found.failures:
        raise SystemExit(f"{len(found.failures)} images cannot be read, the first is {found.failures[0]}")
    accuracies, costs = [], []
    for split in range(n_splits):
        rows, test = protocol.split_rows(images.labels, N_TRAIN[name], split)
        labels = [images.labels[row] for row in rows]
        seeded = load_recipe(f"cnn:{path}", settings, seed=split)
        learned = train(found.items[rows], labels, seeded, cache=cache, n_jobs=n_jobs)
        predicted = [
            learned.head.classes[i] for i in learned.head.predict(learned.codebook.encode_all(found.items[test]))
        ]
        accuracies.append(100 * protocol.mean_per_class([images.labels[row] for row in test], predicted))
        costs.append(learned.head.cost)
        print(f"{name} {Path(path).stem} {views} split {split}: {accuracies[-1]:.2f} %, C = {costs[-1]:g}", flush=True)
    return {
        "images": name,
        "network": Path(path).stem,
        "preprocessing": preprocessing,
        "stage": stage,
        "views": views,
        "mean": float(np.mean(accuracies)),
        "deviation": float(np.std(accuracies, ddof=1)) if n_splits > 1 else 0.0,
        "accuracies": accuracies,
        "costs": costs,
        "dimension": learned.codebook.n_outputs,
        "n_cached": found.n_cached,
        "extraction_seconds": seconds,
    }


if __name__ == "__main__":
    main()
