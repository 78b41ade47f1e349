"""`OnnxBackbone` against plain onnxruntime on one thread, and two workers against one over a folder.

"plain" is an onnxruntime session of the whole file that computes the same tensor as ours from the same input tensor; if
that tensor is not an output of the file, it computes the file's output. Each figure is the median CPU time, with both
methods alternating in one process. "image" is ours from the decoded image. The folder is read, decoded, preprocessed
and run by `extract` into an empty cache. Workers start for each folder, so the wall time is given in full, and minus
the wall time of the first fifth, which has the same start-up. The load of the machine is reported too: on a busy
machine these figures mean little.

    OMP_NUM_THREADS=1 python benchmarks/speed_backbones.py
    OMP_NUM_THREADS=1 python benchmarks/speed_backbones.py --networks mobilenetv2.onnx=inception --images 100
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import numpy as np
import protocol

from classicvision import FeatureCache, OnnxBackbone, extract, find_images, read_image
from classicvision.backbone.graph import read_graph
from classicvision.backbone.network import tensor_of_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--networks", nargs="+", metavar="FILE[=PREPROCESSING]", help="by default the networks in onnx/"
    )
    parser.add_argument("--repeats", type=int, default=51, help="repetitions per method (default %(default)s)")
    parser.add_argument(
        "--images", type=int, default=200, help="images of the folder; 0 skips it (default %(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="folder of images; by default BSDS500's training set")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    images = find_images([options.folder or protocol.shared_data() / "bsds500" / "train"])
    backbones = [protocol.backbone(network) for network in options.networks or protocol.shared_networks()]
    report: dict[str, Any] = {"machine": machine.describe()}
    report["networks"] = [compare(backbone, images[0], options.repeats) for backbone in backbones]
    print("| network | ours ms | plain ms | ours / plain | image ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for row in report["networks"]:
        times = row["milliseconds"]
        figures = " | ".join(
            f"{figure:.2f}" for figure in (times["ours"], times["plain"], row["ratio"], times["image"])
        )
        print(f"| {row['network']} | {figures} |", flush=True)
    if options.images:
        report["folder"] = [throughput(backbone, images[: options.images]) for backbone in backbones]
        print("\n| network | one worker s | two workers s | times as fast | after the start | load |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for row in report["folder"]:
            (one, two), (one_after, two_after) = row["seconds"], row["seconds_after_start"]
            ratios = f"{one / two:.2f} | {one_after / two_after:.2f}"
            print(f"| {row['network']} | {one:.1f} | {two:.1f} | {ratios} | {row['load']:.1f} |", flush=True)
    print("\n" + ", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def compare(backbone: OnnxBackbone, path: Path, repeats: int) -> dict[str, Any]:
    """Return the median milliseconds of each method, and the median ratio of ours to plain over the rounds."""
    image = read_image(path)
    tensors = backbone.tensors(image)
    ways = {
        "ours": lambda: backbone.run(tensors),
        "plain": plain(backbone, tensors),
        "image": lambda: backbone(image),
    }
    for way in ways.values():
        way()
    rounds = [{name: cpu_seconds(way) for name, way in ways.items()} for _ in range(repeats)]
    return {
        "network": Path(backbone.path).stem,
        "milliseconds": {name: 1000 * statistics.median(times[name] for times in rounds) for name in ways},
        "ratio": statistics.median(times["ours"] / times["plain"] for times in rounds),
    }


def plain(backbone: OnnxBackbone, tensors: Any) -> Callable[[], Any]:
    """Return a function that runs the same image through the same file with onnxruntime alone."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(backbone.path, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    fed = {given.name: tensors.astype(np.float16 if "float16" in given.type else np.float32)}
    tensor = tensor_of_stage(read_graph(backbone.path), backbone.stage, Path(backbone.path))
    outputs = [output.name for output in session.get_outputs()]
    wanted = [tensor] if tensor in outputs else outputs[:1]
    return lambda: session.run(wanted, fed)


def throughput(backbone: OnnxBackbone, images: list[Path]) -> dict[str, Any]:
    """Return the wall time of a folder in seconds, in this process and with two workers."""
    folders = (images, images[: len(images) // 5])
    whole, started = [], []
    for n_jobs in (1, 2):
        seconds = [wall_seconds(folder, backbone, n_jobs) for folder in folders]
        whole.append(seconds[0])
        started.append(seconds[0] - seconds[1])
    facts = {"network": Path(backbone.path).stem, "load": os.getloadavg()[0], "images": len(images)}
    return facts | {"seconds": whole, "seconds_after_start": started}


def wall_seconds(images: list[Path], backbone: OnnxBackbone, n_jobs: int) -> float:
    start = time.perf_counter()
    extract(images, backbone, cache=FeatureCache.temporary(), n_jobs=n_jobs)
    return time.perf_counter() - start


def cpu_seconds(way: Callable[[], Any]) -> float:
    start = time.process_time()
    way()
    return time.process_time() - start


if __name__ == "__main__":
    main()
