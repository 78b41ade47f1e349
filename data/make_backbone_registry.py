"""Generate classicvision/backbone/registry.json from a survey of the ONNX model zoo.

    python data/make_backbone_registry.py SURVEY.json [REGISTRY.json]

For each file of the zoo, the survey has: name, family, size and SHA-256 as stored by Git, the output and the feature
tensor as stated by the zoo's manifest, accuracy, licence, and the sentence about preprocessing on the family's page.
Classifiers of ImageNet's 1000 classes in an operator set that onnxruntime supports are included. A sentence about
preprocessing is mapped to the name of a preset; without one the preset is null, never guessed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

REGISTRY = Path(__file__).resolve().parent.parent / "classicvision" / "backbone" / "registry.json"
OLDEST_OPSET = 7  # onnxruntime does not guarantee older ones
N_CLASSES = 1000

# The beginning of each sentence, and the preset that it describes.
PRESETS = {
    "RGB, NCHW; shorter side 256, centre crop 224; /255, mean .485 .456 .406, std .229 .224 .225": "imagenet",
    "RGB, NCHW; Resize(256), CenterCrop(224), /255, mean/std as ResNet": "imagenet",
    "RGB, NCHW; /255, mean/std as ResNet": "imagenet",
    "README: resize 224x224, subtract (123.68,116.779,103.939) RGB, then swap to BGR": "googlenet-zoo",
    "RGB, NHWC; scale 87.5% resize + centre crop 224; (x-127)/128": "efficientnet-lite",
    "not stated": None,
}
CONTRADICTED = ("squeezenet1.0-",)  # the page describes version 1.1; this file is a conversion from Caffe
LICENCES = {"[BSD-3](LICENSE)": "BSD-3-Clause", "BSD 3-Clause License": "BSD-3-Clause", "Apache 2.0": "Apache-2.0"}


def main(survey: Path, registry: Path) -> None:
    """Write the registry, sorted by family and name."""
    models = json.loads(survey.read_text("utf-8"))["models"]
    networks = sorted((entry(model) for model in models if is_usable(model)), key=order)
    text = json.dumps({"networks": networks}, indent=1, ensure_ascii=False)
    registry.write_text(text + "\n", "utf-8")


def is_usable(model: dict[str, Any]) -> bool:
    """Tell whether a file is an ImageNet classifier in a supported operator set."""
    output = model["output"]
    return model["opset_stated"] >= OLDEST_OPSET and output is not None and output["shape"][1] == N_CLASSES


def order(network: dict[str, Any]) -> tuple[str, str]:
    """Return the sort key of a network."""
    return network["family"], network["name"]


def entry(model: dict[str, Any]) -> dict[str, Any]:
    """Return the registry entry of one file."""
    accuracy = model["accuracy"]
    return {
        "name": model["name"],
        "family": model["family"].split("/")[-1].replace("_", "-"),
        "url": model["hf_url"],
        "sha256": model["sha256"],
        "n_bytes": model["bytes"],
        "opset": model["opset_stated"],
        "features": model["features"] and model["features"]["name"],
        "preprocessing": preset(model),
        "top1": accuracy.get("top1", complement(accuracy.get("top1_error"))),
        "top5": accuracy.get("top5", complement(accuracy.get("top5_error"))),
        "licence": LICENCES.get(model["licence"], model["licence"].removesuffix(" License")),
    }


def preset(model: dict[str, Any]) -> str | None:
    """Return the preset that the page describes; None if it describes no preprocessing, or that of another file."""
    if model["name"].startswith(CONTRADICTED):
        return None
    for beginning, name in PRESETS.items():
        if model["preprocessing"].startswith(beginning):
            return name
    raise ValueError(f"{model['name']}: {model['preprocessing']!r} is new; add its meaning to PRESETS")


def complement(error: float | None) -> float | None:
    """Convert an error rate to an accuracy in percent."""
    return None if error is None else round(100 - error, 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else REGISTRY)
