"""Networks through `OnnxBackbone` beside plain onnxruntime, one thread; and two workers beside one over a folder.

"plain" is a session of the whole file that is asked for the same tensor as ours, with the same prepared picture as its
input; of a file whose stage is no output, it is the same session asked for its output. Each figure is the median of
process CPU time, with the two ways in turn in one process. "picture" is ours from the decoded picture on. The folder is
read, decoded, prepared and run by `extract` into an empty cache. Workers are started for each folder, so its wall time
is given whole, and without the wall time of its first fifth, which has the same start. The load of the machine is said
beside them: on a busy one these figures mean little.

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
    parser.add_argument("--networks", nargs="+", metavar="FILE[=PREPROCESSING]", help="by default those of the folder")
    parser.add_argument("--repeats", type=int, default=51, help="of each way (default %(default)s)")
    parser.add_argument("--images", type=int, default=200, help="of the folder; 0 leaves it out (default %(default)s)")
    parser.add_argument("--folder", type=Path, help="of photographs; by default those of BSDS500 for training")
    parser.add_argument("--json", type=Path, help="also write the result here")
    options = parser.parse_args()
    photos = find_images([options.folder or protocol.shared_data() / "bsds500" / "train"])
    backbones = [protocol.backbone(network) for network in options.networks or protocol.shared_networks()]
    report: dict[str, Any] = {"machine": machine.describe()}
    report["networks"] = [compare(backbone, photos[0], options.repeats) for backbone in backbones]
    print("| network | ours ms | plain ms | ours / plain | picture ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for row in report["networks"]:
        times = row["milliseconds"]
        figures = " | ".join(
            f"{figure:.2f}" for figure in (times["ours"], times["plain"], row["ratio"], times["picture"])
        )
        print(f"| {row['network']} | {figures} |", flush=True)
    if options.images:
        report["folder"] = [throughput(backbone, photos[: options.images]) for backbone in backbones]
        print("\n| network | one worker s | two workers s | times as fast | after the start | load |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for row in report["folder"]:
            (one, two), (one_after, two_after) = row["seconds"], row["seconds_after_start"]
            ratios = f"{one / two:.2f} | {one_after / two_after:.2f}"
            print(f"| {row['network']} | {one:.1f} | {two:.1f} | {ratios} | {row['load']:.1f} |", flush=True)
    print("\n" + ", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def compare(backbone: OnnxBackbone, photo: Path, repeats: int) -> dict[str, Any]:
    """Return the median milliseconds of each way, and the median over the rounds of ours by plain."""
    image = read_image(photo)
    tensors = backbone.tensors(image)
    ways = {
        "ours": lambda: backbone.run(tensors),
        "plain": plain(backbone, tensors),
        "picture": lambda: backbone(image),
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
    """Return what runs the same picture through the same file without us."""
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


def throughput(backbone: OnnxBackbone, photos: list[Path]) -> dict[str, Any]:
    """Return the wall seconds of a folder with one worker, which is this process, and with two."""
    folders = (photos, photos[: len(photos) // 5])
    whole, started = [], []
    for n_jobs in (1, 2):
        seconds = [wall_seconds(folder, backbone, n_jobs) for folder in folders]
        whole.append(seconds[0])
        started.append(seconds[0] - seconds[1])
    facts = {"network": Path(backbone.path).stem, "load": os.getloadavg()[0], "images": len(photos)}
    return facts | {"seconds": whole, "seconds_after_start": started}


def wall_seconds(photos: list[Path], backbone: OnnxBackbone, n_jobs: int) -> float:
    start = time.perf_counter()
    extract(photos, backbone, cache=FeatureCache.temporary(), n_jobs=n_jobs)
    return time.perf_counter() - start


def cpu_seconds(way: Callable[[], Any]) -> float:
    start = time.process_time()
    way()
    return time.process_time() - start


if __name__ == "__main__":
    main()
