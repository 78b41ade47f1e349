"""What a network sees in one photo: its filters, its maps, the places that matter, and the photos that are like it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
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
from classicvision.extraction import Failure, extract
from classicvision.files import PathLike
from classicvision.folders import images_in
from classicvision.images import Image, decode_image, read_bytes
from classicvision.progress import EXTRACTING, Progress, stage
from classicvision.report.explanation import Explanation, Neighbour

__all__ = ["explain_backbone"]

N_MAPS = 12  # maps shown of a stage
N_NEIGHBOURS = 12
COVERED = 7  # a square covers this part of the side, and moves by half of it
N_STEPS = 2


def explain_backbone(
    backbone: OnnxBackbone,
    photo: PathLike,
    *,
    folder: PathLike | None = None,
    target: int | None = None,
    names: PathLike | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Explanation:
    """Return what a network sees in a photo.

    Parameters
    ----------
    backbone : OnnxBackbone
        Neighbours are sought in the features of its stage.
    photo : path
    folder : path, optional
        Where neighbours are sought.
    target : int, optional
        The class that the maps are about, as `ClassScore.index`; by default the best one.
    names : path, optional
        A text file with the name of a class a line.

    Raises
    ------
    ImageReadError, BackboneError
    SettingsError
        If there is no such class.
    """
    photo, file = Path(photo), locate(backbone.path)
    content = read_bytes(photo)
    image = decode_image(content, photo)
    plain = replace(backbone, views="one")
    tensor = plain.tensors(image)[0]
    answers = _answers(plain, image, file, names)
    wanted = _wanted(answers, target)
    row = wanted.index + _first_row(answers) if wanted else 0
    activation, reason = (
        class_activation(plain, file, image, row)
        if wanted
        else (np.zeros((0, 0), np.float32), "the network has no classes")
    )
    covered = max(1, tensor.shape[1] // COVERED)
    neighbours, n_compared, failures = _neighbours(
        backbone, image, hashlib.sha256(content).hexdigest(), folder, cache, n_jobs, progress
    )
    return Explanation(
        photo=photo,
        backbone=backbone,
        seen=image_of_tensor(tensor, plain.contract),
        answers=tuple(answers[:5]),
        target=wanted,
        filters=_filters(plain, file),
        stages=_stages(plain, file, image),
        covered=covered,
        occlusion=occlusion_map(
            _score(plain, tensor, row if wanted else None),
            tensor,
            covered,
            max(1, covered // N_STEPS),
            stage(progress, "covered"),
        ),
        activation=activation,
        no_activation=reason,
        neighbours=neighbours,
        n_compared=n_compared,
        failures=failures,
    )


def _answers(backbone: OnnxBackbone, image: Image, file: Path, names: PathLike | None) -> list[ClassScore]:
    """Return all classes, best first; none for a network that ends in features."""
    if not has_classes(read_graph(file)):
        return []
    output = replace(backbone, stage=OUTPUT)(image)
    return top_classes(output, len(output), read_class_names(Path(names)) if names else ())


def _wanted(answers: list[ClassScore], target: int | None) -> ClassScore | None:
    if target is None or not answers:
        if target is not None:
            raise SettingsError(f"class {target} was asked for; the network has no classes")
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
    """Return what is watched while places are covered: a class, or without one the direction of the features."""
    if row is not None:
        output = replace(backbone, stage=OUTPUT)
        return lambda tensors: log_odds(output.run(tensors), row)
    whole = _unit(backbone.run(tensor[np.newaxis]))[0]
    return lambda tensors: np.asarray(_unit(backbone.run(tensors)) @ whole, np.float64)


def _filters(backbone: OnnxBackbone, file: Path) -> NDArray[np.float32]:
    filters = first_filters(file)
    return filters[:, ::-1] if backbone.contract.colors == "bgr" else filters


def _stages(backbone: OnnxBackbone, file: Path, image: Image) -> tuple[StageMaps, ...]:
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
    folder: PathLike | None,
    cache: FeatureCache | None,
    n_jobs: int,
    progress: Progress | None,
) -> tuple[tuple[Neighbour, ...], int, tuple[Failure, ...]]:
    if folder is None:
        return (), 0, ()
    files = images_in(folder)
    found = extract(files, backbone, cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING))
    others = [number for number, known in enumerate(found.contents) if known != content]
    if not others:
        return (), 0, found.failures
    vectors = _unit(np.stack([found.items[number] for number in others]))
    similarity = vectors @ _unit(backbone(image)[np.newaxis])[0]
    nearest = np.argsort(-similarity, kind="stable")[:N_NEIGHBOURS]
    neighbours = tuple(Neighbour(files[found.rows[others[n]]], float(similarity[n])) for n in nearest)
    return neighbours, len(others), found.failures


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return unit
