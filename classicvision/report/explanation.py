"""The explanation of a network's answer for an image, as one HTML page and as data for JSON.

The page contains its style and images and loads nothing. File names are escaped, because they are untrusted.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.backbone.class_scores import ClassScore
from classicvision.backbone.explanation import StageMaps
from classicvision.config import to_dict
from classicvision.evaluation.network_explanation import Explanation
from classicvision.files import write_atomically
from classicvision.images import Image
from classicvision.report.images import as_data_uri, heat_over, thumbnail, tile
from classicvision.report.plain import flat, text, visible
from classicvision.report.templates import page_environment

__all__ = ["explanation_to_dict", "explanation_to_html", "write_explanation"]

MAX_FILTERS = 128  # shown on a page
FILTER_SIDE = 48  # pixels; approximate, because magnification is a whole number
MAP_SIDE = 156


def explanation_to_dict(explanation: Explanation) -> dict[str, Any]:
    """Return the figures and text of an explanation as plain values for JSON, without images."""
    backbone, target = explanation.backbone, explanation.target
    return {
        "image": text(explanation.path),
        "network": text(backbone.path),
        "sha256": backbone.sha256,
        "settings": to_dict(backbone),
        "answers": [_answer(answer) for answer in explanation.answers],
        "target": target and _answer(target),
        "occlusion": {
            "side": explanation.covered,
            "of": "class" if target else "features",
            "largest_fall": float(explanation.occlusion.max()),
            "place": _place(explanation.occlusion, explanation.seen.shape[:2]),
        },
        "activation": {
            "place": _place(explanation.activation, explanation.seen.shape[:2]),
            "reason": explanation.no_activation or None,
        },
        "stages": [
            {"name": stage.name, "shape": list(stage.shape), "strongest": stage.channels.tolist()}
            for stage in explanation.stages
        ],
        "n_compared": explanation.n_compared,
        "neighbours": [{"path": text(n.path), "similarity": n.similarity} for n in explanation.neighbours],
        "failures": [{"path": text(f.path), "reason": text(f.reason)} for f in explanation.failures],
    }


def explanation_to_html(explanation: Explanation) -> str:
    """Return an explanation as one HTML page that needs no other file.

    Returns
    -------
    str
        HTML 5, to be written as UTF-8.
    """
    environment = page_environment()
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    environment.filters["visible"] = visible
    data = explanation_to_dict(explanation)
    return environment.get_template("explanation.html.j2").render(
        data,
        network_name=text(Path(explanation.backbone.path).name),
        image_name=text(explanation.path.name),
        seen=as_data_uri(explanation.seen),
        seen_size=explanation.seen.shape[:2],
        occlusion_map=as_data_uri(heat_over(explanation.seen, explanation.occlusion)),
        activation_map=_activation(explanation),
        n_filters=len(explanation.filters),
        filter_shape=explanation.filters.shape[2:],
        n_shown_filters=min(MAX_FILTERS, len(explanation.filters)),
        filters=_filters(explanation.filters[:MAX_FILTERS]),
        maps=[_maps(stage) for stage in explanation.stages],
        thumbnails=[thumbnail(neighbour.path) for neighbour in explanation.neighbours],
        settings_rows=list(flat(data["settings"])),
    )


def write_explanation(path: str | os.PathLike[str], explanation: Explanation) -> None:
    """Write the page of `explanation_to_html`. The file is replaced atomically.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_atomically(Path(path), [explanation_to_html(explanation).encode()])


def _answer(answer: ClassScore) -> dict[str, Any]:
    return {"index": answer.index, "probability": answer.probability, "name": text(answer.name)}


def _place(heat: NDArray[Any], size: tuple[int, ...]) -> list[int] | None:
    """Return the (x, y) of a map's maximum in the network's input: the centre of the first such cell."""
    if not heat.size:
        return None
    y, x = np.unravel_index(int(heat.argmax()), heat.shape)
    return [int((x + 0.5) * size[1] / heat.shape[1]), int((y + 0.5) * size[0] / heat.shape[0])]


def _activation(explanation: Explanation) -> str | None:
    if not explanation.activation.size:
        return None
    return as_data_uri(heat_over(explanation.seen, explanation.activation))


def _filters(filters: NDArray[np.float32]) -> str | None:
    """Return filters as a contact sheet: weight 0 is mid-grey, the largest weight of each is black or white."""
    if not len(filters):
        return None
    largest = np.maximum(np.abs(filters).max(axis=(1, 2, 3), keepdims=True), np.float32(1e-12))
    grey = np.rint(127.5 + 127.5 * filters / largest).astype(np.uint8).transpose(0, 2, 3, 1)
    return as_data_uri(tile(grey, 16, FILTER_SIDE), lossless=True)


def _maps(stage: StageMaps) -> str:
    """Return maps as a contact sheet, each scaled from its minimum (black) to its maximum (white)."""
    low = stage.maps.min(axis=(1, 2), keepdims=True)
    span = np.maximum(stage.maps.max(axis=(1, 2), keepdims=True) - low, np.float32(1e-12))
    grey = np.rint(255 * (stage.maps - low) / span).astype(np.uint8)
    tiles: Image = np.repeat(grey[..., np.newaxis], 3, axis=3)
    return as_data_uri(tile(tiles, 6, MAP_SIDE), lossless=True)
