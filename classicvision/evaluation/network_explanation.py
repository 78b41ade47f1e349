"""What a network sees in one image: its filters, its maps, the places that matter, and the images most like it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classicvision.backbone.class_scores import ClassScore, read_class_names, top_classes
from classicvision.backbone.download import locate
from classicvision.backbone.explanation import (
    StageMaps,
    class_activation,
    image_of_tensor,
    log_odds,
    occlusion_map,
    stage_maps,
)
from classicvision.backbone.graph import read_graph
from classicvision.backbone.network import OUTPUT
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.penultimate import has_classes, penultimate
from classicvision.backbone.stages import PENULTIMATE, find_stages
from classicvision.backbone.weights import first_filters
from classicvision.cache import FeatureCache
from classicvision.errors import SettingsError
from classicvision.extraction import Extraction, Failure, extract
from classicvision.images import Image, decode_image, read_bytes
from classicvision.progress import EXTRACTING, Progress, stage

__all__ = ["Explanation", "Neighbour", "explain_network"]

N_MAPS = 12  # maps shown per stage
N_NEIGHBOURS = 12
COVERED = 7  # the side of the image over that of the covering square, which moves by half its side
N_STEPS = 2


@dataclass(frozen=True)
class Neighbour:
    """An image whose features are near those of the explained image."""

    path: Path
    similarity: float  # cosine of the features


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a network sees in an image.

    Attributes
    ----------
    path : Path
    backbone : OnnxBackbone
    seen : (h, w, 3) uint8
        The part of the image that the network sees, at its resolution.
    answers : tuple of ClassScore
        The best classes, best first; empty for a network without classes.
    target : ClassScore or None
        The class that the two maps are about; without classes they are about the features.
    filters : (n, 3, kh, kw) float32
        Of the first layer, channels in the order red, green, blue; n is 0 where they cannot be shown.
    stages : tuple of StageMaps
    covered : int
        Side of the square that covered, in pixels.
    occlusion : (h, w) float64
        Fall of the class's log-odds, or of the cosine of the features, where a place is covered.
    activation : (h', w') float32
        The class activation map; empty where `no_activation` says why.
    no_activation : str
    neighbours : tuple of Neighbour
        The nearest first; byte-identical copies of the image are excluded.
    n_compared : int
    failures : tuple of Failure
        Images of the folder that could not be read.
    """

    path: Path
    backbone: OnnxBackbone
    seen: Image
    answers: tuple[ClassScore, ...]
    target: ClassScore | None
    filters: NDArray[np.float32]
    stages: tuple[StageMaps, ...]
    covered: int
    occlusion: NDArray[np.float64]
    activation: NDArray[np.float32]
    no_activation: str
    neighbours: tuple[Neighbour, ...]
    n_compared: int
    failures: tuple[Failure, ...]


def explain_network(
    backbone: OnnxBackbone,
    path: Path,
    *,
    others: Sequence[Path] = (),
    target: int | None = None,
    names: Path | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Explanation:
    """Return what a network sees in an image.

    Parameters and errors are those of `workflows.explain_backbone`; `others` are the images to search for neighbours.
    """
    file, content = locate(backbone.path), read_bytes(path)
    image = decode_image(content, path)
    plain = replace(backbone, views="one")
    tensor = plain.tensors(image)[0]
    scores = _answers(plain, image, file, names)
    wanted = _wanted(scores, target)
    row = wanted.index + _first_row(scores) if wanted else None
    activation, reason = (
        (np.zeros((0, 0), np.float32), "the network has no classes")
        if row is None
        else class_activation(plain, file, image, row)
    )
    covered = max(1, tensor.shape[1] // COVERED)
    score, step = _score(plain, tensor, row), max(1, covered // N_STEPS)
    found = extract(others, backbone, cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING))
    neighbours, n_compared = _neighbours(backbone, image, hashlib.sha256(content).hexdigest(), others, found)
    return Explanation(
        path=path,
        backbone=backbone,
        seen=image_of_tensor(tensor, plain.contract),
        answers=tuple(scores[:5]),
        target=wanted,
        filters=_filters(plain, file),
        stages=_maps_of_stages(plain, file, image),
        covered=covered,
        occlusion=occlusion_map(score, tensor, covered, step, stage(progress, "covered")),
        activation=activation,
        no_activation=reason,
        neighbours=neighbours,
        n_compared=n_compared,
        failures=found.failures,
    )


def _answers(backbone: OnnxBackbone, image: Image, file: Path, names: Path | None) -> list[ClassScore]:
    """Return all classes, best first; empty for a network that ends in features."""
    if not has_classes(read_graph(file)):
        return []
    output = replace(backbone, stage=OUTPUT)(image)
    return top_classes(output, len(output), read_class_names(names) if names else ())


def _wanted(answers: list[ClassScore], target: int | None) -> ClassScore | None:
    if target is None or not answers:
        if target is not None:
            raise SettingsError(f"class {target} was requested; the network has no classes")
        return answers[0] if answers else None
    for answer in answers:
        if answer.index == target:
            return answer
    indices = [answer.index for answer in answers]
    raise SettingsError(f"there is no class {target}; the network has those from {min(indices)} to {max(indices)}")


def _first_row(answers: list[ClassScore]) -> int:
    """Return the row of the class 0: after a background class it is 1."""
    return -min(answer.index for answer in answers)


def _score(
    backbone: OnnxBackbone, tensor: NDArray[np.float32], row: int | None
) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """Return the score that is measured while places are covered: of a class, or else the cosine of the features."""
    if row is not None:
        output = replace(backbone, stage=OUTPUT)
        return lambda tensors: log_odds(output.run(tensors), row)
    whole = _unit(backbone.run(tensor[np.newaxis]))[0]
    return lambda tensors: np.asarray(_unit(backbone.run(tensors)) @ whole, np.float64)


def _filters(backbone: OnnxBackbone, file: Path) -> NDArray[np.float32]:
    filters = first_filters(file)
    return filters[:, ::-1] if backbone.contract.colors == "bgr" else filters


def _maps_of_stages(backbone: OnnxBackbone, file: Path, image: Image) -> tuple[StageMaps, ...]:
    graph = read_graph(file)
    names = [found.name for found in find_stages(graph, penultimate(graph))]
    if backbone.stage not in (*names, PENULTIMATE, OUTPUT):
        names.append(backbone.stage)
    found = (stage_maps(replace(backbone, stage=name), image, N_MAPS) for name in names)
    return tuple(maps for maps in found if maps is not None)


def _neighbours(
    backbone: OnnxBackbone,
    image: Image,
    content: str,
    paths: Sequence[Path],
    found: Extraction[NDArray[np.float32]],
) -> tuple[tuple[Neighbour, ...], int]:
    """Return the images of nearest features, and the number of images compared: all of other content."""
    others = [number for number, known in enumerate(found.contents) if known != content]
    if not others:
        return (), 0
    vectors = _unit(np.stack([found.items[number] for number in others]))
    similarity = vectors @ _unit(backbone(image)[np.newaxis])[0]
    nearest = np.argsort(-similarity, kind="stable")[:N_NEIGHBOURS]
    return tuple(Neighbour(paths[found.rows[others[n]]], float(similarity[n])) for n in nearest), len(others)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return unit
