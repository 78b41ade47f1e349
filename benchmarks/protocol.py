"""The protocol of the scene and object benchmarks: seeded splits and mean per-class accuracy."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision import OnnxBackbone
from classicvision.versions import library_versions


def shared_data() -> Path:
    """Return the folder of the image sets."""
    folder = Path(os.environ.get("CLASSICVISION_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
    if not folder.is_dir():
        raise SystemExit(f"no image sets in {folder}; name their folder in CLASSICVISION_SHARED")
    return folder


# The preprocessing that each network in the shared folder was trained with.
NETWORKS = {
    "mobilenetv1-0.25-128-w8": "inception-128",
    "mobilenetv2-tf2ptq-w8": "inception",
    "resnet18-trunk-layer3": "imagenet",
    "squeezenet1.1-fp16-winml": "caffe",
    "googlenet-bvlc-w16": "caffe",
}


def shared_networks() -> list[str]:
    """Return each network of the shared folder as FILE=PREPROCESSING."""
    folder = shared_data().parent / "onnx"
    return [f"{folder / name}.onnx={how}" for name, how in NETWORKS.items() if (folder / f"{name}.onnx").is_file()]


def backbone(network: str, **settings: Any) -> OnnxBackbone:
    """Return the extractor for FILE or FILE=PREPROCESSING."""
    path, _, preprocessing = network.partition("=")
    return OnnxBackbone(path, preprocessing=preprocessing or None, **settings)


def split_rows(labels: Sequence[str], n_train: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the training rows, `n_train` random ones per class, and the test rows, which are all others."""
    names = np.asarray(labels)
    rng = np.random.default_rng(seed)
    train = [rng.permutation(np.flatnonzero(names == name))[:n_train] for name in np.unique(names)]
    rows = np.sort(np.concatenate(train))
    return rows, np.setdiff1d(np.arange(len(names)), rows)


def mean_per_class(true: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the mean over classes of the fraction of correct predictions."""
    truth = np.asarray(true)
    right = truth == np.asarray(predicted)
    return float(np.mean([right[truth == name].mean() for name in np.unique(truth)]))


def versions_line() -> str:
    """Format the versions of the libraries for the caption of a table."""
    return ", ".join(f"{name} {number}" for name, number in library_versions().items())


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every benchmark."""
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
