"""Explain a network's output for an image: its strongest feature maps, and the regions that matter to a class.

Occlusion measures how the score changes while one region after another is covered (Zeiler and Fergus 2014, section
4.2). A class activation map is computed from the last layer, and is exact if that layer is linear in globally averaged
features (Zhou et al. 2016, equation 2). Whether it is, is verified numerically, not assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.backbone.class_scores import are_probabilities
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.preprocessing import Preprocessing
from classicvision.backbone.weights import last_layer
from classicvision.images import Image

__all__ = [
    "StageMaps",
    "class_activation",
    "image_of_tensor",
    "log_odds",
    "occlusion_map",
    "stage_maps",
    "strongest",
]

BATCH = 16  # occluded images per run of the network
LEAST_PROBABILITY: Final = 1e-7  # clips p and 1 - p: the precision of float32
TOLERANCE: Final = 1e-3  # largest relative difference of two computations that count as equal


@dataclass(frozen=True, eq=False)
class StageMaps:
    """The strongest feature maps of one stage.

    Attributes
    ----------
    name : str
        The stage.
    shape : tuple of int
        Shape of all maps of the stage: (channels, height, width).
    channels : (n,) int
        The channels with the largest mean activation, largest first.
    maps : (n, height, width) float32
        Their maps.
    """

    name: str
    shape: tuple[int, ...]
    channels: NDArray[np.intp]
    maps: NDArray[np.float32]


def image_of_tensor(tensor: NDArray[np.float32], preprocessing: Preprocessing) -> Image:
    """Convert a normalised (3, H, W) input tensor back to the (H, W, 3) uint8 RGB image it was made from."""
    mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
    channels = (tensor.transpose(1, 2, 0) * std + mean) * (255 / preprocessing.white)
    grey = np.clip(np.rint(channels), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(grey[..., ::-1] if preprocessing.colors == "bgr" else grey)


def strongest(activations: NDArray[np.float32], n: int) -> NDArray[np.intp]:
    """Return the n channels of (C, h, w) activations with the largest mean, largest first; ties by channel number."""
    return np.argsort(-activations.mean(axis=(1, 2)), kind="stable")[:n]


def stage_maps(backbone: OnnxBackbone, image: Image, n: int) -> StageMaps | None:
    """Return the n strongest maps of the backbone's stage, or None if the stage has no spatial axes."""
    plain = replace(backbone, views="one")
    found = plain.activations(plain.tensors(image))[0]
    if found.ndim != 3 or found.shape[1:] == (1, 1):
        return None
    channels = strongest(found, n)
    return StageMaps(backbone.stage, found.shape, channels, found[channels])


def log_odds(output: NDArray[np.float32], row: int) -> NDArray[np.float64]:
    """Return the log-odds log(p / (1 - p)) of one class for outputs (N, K), which do not saturate near p = 1.

    The outputs are logits or probabilities. From logits, they are the logit of the class minus the log-sum-exp of the
    others, so unlikely classes do not saturate either.
    """
    return np.array([_log_odds(numbers.astype(np.float64), row) for numbers in output])


def _log_odds(numbers: NDArray[np.float64], row: int) -> float:
    if len(numbers) == 1:
        return float(numbers[0])  # a single output has no odds: use its value
    if are_probabilities(numbers):
        share = np.clip(numbers[row], LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        return float(np.log(share / (1 - share)))
    others = np.delete(numbers, row)
    highest = others.max()
    return float(numbers[row] - highest - np.log(np.exp(others - highest).sum()))


def occlusion_map(
    score: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    tensor: NDArray[np.float32],
    side: int,
    step: int,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    """Measure how much a score drops when each region of an image is covered by a square.

    Parameters
    ----------
    score : callable
        Maps input tensors (N, 3, H, W) to (N,) scores.
    tensor : (3, H, W) float32
        The input tensor of the image.
    side : int
        Side of the square in pixels, filled with the image's mean colour. Larger squares cover whole objects and give a
        coarser map.
    step : int
        Distance between two squares in pixels, at most `side`. Smaller steps give a finer map and take quadratically
        more runs of the network.
    progress : callable, optional
        Called with the number of squares done and the total.

    Returns
    -------
    (H, W) float64
        For each pixel, the mean drop over the squares that cover it; negative where covering raises the score.
    """
    height, width = tensor.shape[1:]
    side = min(side, height, width)
    step = min(step, side)  # no gaps between squares
    places = [(y, x) for y in _starts(height, side, step) for x in _starts(width, side, step)]
    colour = tensor.mean(axis=(1, 2))[:, np.newaxis, np.newaxis]
    before = score(tensor[np.newaxis])[0]
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for start in range(0, len(places), BATCH):
        batch = places[start : start + BATCH]
        covered = np.repeat(tensor[np.newaxis], len(batch), axis=0)
        for row, (y, x) in enumerate(batch):
            covered[row, :, y : y + side, x : x + side] = colour
        for (y, x), after in zip(batch, score(covered), strict=True):
            total[y : y + side, x : x + side] += before - after
            count[y : y + side, x : x + side] += 1
        if progress:
            progress(start + len(batch), len(places))
    return total / count


def class_activation(backbone: OnnxBackbone, path: Path, image: Image, row: int) -> tuple[NDArray[np.float32], str]:
    """Compute the class activation map of one output; if it does not exist, an empty array and the reason.

    Parameters
    ----------
    backbone : OnnxBackbone
        The network and its preprocessing; its stage, pooling and views are ignored.
    path : Path
        Its file.
    image : (H, W, 3) uint8
        RGB.
    row : int
        Index of the class in the network's output.

    Returns
    -------
    map : (h, w) float32
        Contribution of each position; the mean over all positions is the score of the class minus its bias.
    reason : str
        Why there is no map; empty if there is one.
    """
    nothing = np.zeros((0, 0), np.float32)
    layer = last_layer(path)
    if layer is None:
        return nothing, "the features are not averaged over positions, or the last layer is not linear"
    plain = replace(backbone, views="one", pooling="average")
    tensors = plain.tensors(image)
    two = np.concatenate([tensors, np.zeros_like(tensors)])
    maps = replace(plain, stage=layer.maps).activations(tensors)[0]
    features = replace(plain, stage="penultimate").run(two)
    scores = replace(plain, stage=layer.scores).run(two)
    output = replace(plain, stage="output").run(tensors)[0]
    if maps.ndim != 3 or layer.weights.shape != (scores.shape[1], maps.shape[0]) or row >= len(layer.weights):
        return nothing, "the last layer does not take one value per feature map"
    if not _same(maps.mean(axis=(1, 2)), features[0]):
        return nothing, "the features are not the averages of the last feature maps"
    # The bias cancels in the difference of two images.
    if not _same(layer.weights @ (features[0] - features[1]), scores[0] - scores[1]):
        return nothing, "the last layer is not linear in the features"
    if len(output) != len(scores[0]) or output.argmax() != scores[0].argmax():
        return nothing, "the output changes the order of the scores"
    return np.einsum("c,chw->hw", layer.weights[row], maps), ""


def _starts(length: int, side: int, step: int) -> list[int]:
    """Return the start of each square so that together they cover the whole length."""
    return sorted({*range(0, length - side + 1, step), length - side})


def _same(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    return a.shape == b.shape and float(np.abs(a - b).max()) <= TOLERANCE * max(float(np.abs(b).max()), 1e-6)
