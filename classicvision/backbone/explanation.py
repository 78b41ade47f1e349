"""What a network sees in a picture: which maps answer, which places matter to a class, and by how much.

Occlusion asks the network itself, by covering one place after another (Zeiler and Fergus 2014, section 4.2). A class
activation map reads the answer off the last layer, which is exact where that layer is linear on averages over places
(Zhou et al. 2016, equation 2). Whether it is, is tried with numbers and not believed.
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

BATCH = 16  # covered pictures that are run together
LEAST_SHARE: Final = 1e-7  # of a probability and of its complement: the precision of float32
AGREEMENT: Final = 1e-3  # relative, of numbers that two ways of computing must share


@dataclass(frozen=True, eq=False)
class StageMaps:
    """The strongest maps of one stage.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Of the whole stage: (channels, height, width).
    channels : (n,) int
        Those with the largest mean, the largest first.
    maps : (n, height, width) float32
    """

    name: str
    shape: tuple[int, ...]
    channels: NDArray[np.intp]
    maps: NDArray[np.float32]


def image_of_tensor(tensor: NDArray[np.float32], preprocessing: Preprocessing) -> Image:
    """Return a prepared picture (3, H, W) as the (H, W, 3) uint8 RGB image that it was made from."""
    mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
    channels = (tensor.transpose(1, 2, 0) * std + mean) * (255 / preprocessing.white)
    grey = np.clip(np.rint(channels), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(grey[..., ::-1] if preprocessing.colors == "bgr" else grey)


def strongest(activations: NDArray[np.float32], n: int) -> NDArray[np.intp]:
    """Return the n channels of (C, h, w) with the largest mean, the largest first, equal ones by their number."""
    return np.argsort(-activations.mean(axis=(1, 2)), kind="stable")[:n]


def stage_maps(backbone: OnnxBackbone, image: Image, n: int) -> StageMaps | None:
    """Return the strongest maps of the backbone's stage, or None where the stage has no places."""
    plain = replace(backbone, views="one")
    found = plain.activations(plain.tensors(image))[0]
    if found.ndim != 3 or found.shape[1:] == (1, 1):
        return None
    channels = strongest(found, n)
    return StageMaps(backbone.stage, found.shape, channels, found[channels])


def log_odds(output: NDArray[np.float32], row: int) -> NDArray[np.float64]:
    """Return log(p / (1 - p)) of one class for outputs (N, K), logits or probabilities: it does not saturate near 1.

    Of logits it is the class's less the logarithm of the others' sum of powers, so that unlikely classes differ too.
    """
    return np.array([_log_odds(numbers.astype(np.float64), row) for numbers in output])


def _log_odds(numbers: NDArray[np.float64], row: int) -> float:
    if len(numbers) == 1:
        return float(numbers[0])  # of one class against nothing there are no odds but its own number
    if are_probabilities(numbers):
        share = np.clip(numbers[row], LEAST_SHARE, 1 - LEAST_SHARE)
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
    """Return by how much a score falls when a place is covered.

    Parameters
    ----------
    score : callable
        From prepared pictures (N, 3, H, W) to (N,) numbers.
    tensor : (3, H, W) float32
        The prepared picture.
    side : int
        Of the square that covers, in pixels; it has the picture's mean colour.
    step : int
        Between two squares, in pixels.
    progress : callable, optional
        Told the squares done and their number.

    Returns
    -------
    (H, W) float64
        The mean fall over the squares that cover a pixel; below 0 where covering raises the score.
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
    """Return the class activation map of one output, or an empty array and why there is none.

    Parameters
    ----------
    backbone : OnnxBackbone
        Its stage, pooling and views do not matter.
    path : Path
        Its file.
    image : (H, W, 3) uint8
    row : int
        Of the network's output.

    Returns
    -------
    map : (h, w) float32
        Its mean over the places is the class's score, less the bias.
    reason : str
        Empty where there is a map.
    """
    nothing = np.zeros((0, 0), np.float32)
    layer = last_layer(path)
    if layer is None:
        return nothing, "the features are not an average over places, or the last layer is not plainly linear"
    plain = replace(backbone, views="one", pooling="average")
    tensors = plain.tensors(image)
    pictures = np.concatenate([tensors, np.zeros_like(tensors)])
    maps = replace(plain, stage=layer.maps).activations(tensors)[0]
    features = replace(plain, stage="penultimate").run(pictures)
    scores = replace(plain, stage=layer.scores).run(pictures)
    output = replace(plain, stage="output").run(tensors)[0]
    if maps.ndim != 3 or layer.weights.shape != (scores.shape[1], maps.shape[0]) or row >= len(layer.weights):
        return nothing, "the last layer does not take one number for each map"
    if not _same(maps.mean(axis=(1, 2)), features[0]):
        return nothing, "the features are not the average of the last maps over their places"
    # the difference of two pictures is free of the bias
    if not _same(layer.weights @ (features[0] - features[1]), scores[0] - scores[1]):
        return nothing, "the last layer is not linear in the features"
    if len(output) != len(scores[0]) or output.argmax() != scores[0].argmax():
        return nothing, "the network does more with the scores than to compare them"
    return np.einsum("c,chw->hw", layer.weights[row], maps), ""


def _starts(length: int, side: int, step: int) -> list[int]:
    """Return where squares begin so that they cover a length to its end."""
    return sorted({*range(0, length - side + 1, step), length - side})


def _same(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    return a.shape == b.shape and float(np.abs(a - b).max()) <= AGREEMENT * max(float(np.abs(b).max()), 1e-6)
