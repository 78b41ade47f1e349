"""The findings of a search for copies as one HTML page: images side by side, with the parts they share outlined.

The page contains its style, script and images and loads nothing; its policy forbids all other scripts. All text is in
the HTML, so it can be read and searched without the script, which draws the images as they come into view, filters, and
stores the marks.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classicvision.copies.findings import LABELS, Finding, Findings
from classicvision.files import write_atomically
from classicvision.progress import StageProgress
from classicvision.report.copies import copies_to_dict, title
from classicvision.report.images import thumbnail
from classicvision.report.plain import flat, text, visible
from classicvision.report.templates import page_environment

__all__ = ["Layout", "copies_to_html", "pair_layout", "write_copies"]

# The most that a page shows. The JSON data are complete.
MAX_FINDINGS = 2000
MAX_LINES = 40  # matches drawn of each region
MAX_LISTED = 200  # undecided images, and failures
# Number of images up to which, and longest side in pixels with which they are embedded; further images are not.
SIDES: Final = ((200, 480), (2000, 256))

BOX = (480.0, 400.0)  # width and height that an image is fitted into, in units of the drawing
GAP = 16.0


class Layout(NamedTuple):
    """The places of two images in a drawing: its size, and left, top, width, height of each, all in one unit."""

    size: tuple[float, float]
    a: tuple[float, float, float, float]
    b: tuple[float, float, float, float]


def copies_to_html(findings: Findings, *, progress: StageProgress | None = None) -> str:
    """Return findings as one HTML page that needs no other file.

    Images are read again from their paths; of a missing one only the outlines are shown. Up to 200 different images
    are embedded with 480 pixels, up to 2,000 with 256; of more only the outlines are shown. The page shows
    the best 2,000 findings.

    Parameters
    ----------
    findings : Findings
    progress : callable, optional
        Called with the number of images done and of all images.

    Returns
    -------
    str
        HTML 5, to be written as UTF-8.
    """
    environment = page_environment()
    environment.filters["visible"] = visible
    data = copies_to_dict(findings)
    shown = findings.findings[:MAX_FINDINGS]
    script = files("classicvision.report").joinpath("copies.js").read_text("utf-8")
    drawings = _drawings(shown)
    return environment.get_template("copies.html.j2").render(
        data,
        shown=list(zip(data["findings"][:MAX_FINDINGS], map(title, shown), drawings, strict=True)),
        all_shown=len(shown) == len(findings.findings),
        n_copied=len({finding.path_a for finding in findings.findings}),
        labels=_counted_labels(shown),
        related_rows=[
            {"path": f"{pair['path_a']} and {pair['path_b']}", "reason": pair["reason"]} for pair in data["related"]
        ],
        max_listed=MAX_LISTED,
        settings_rows=list(flat(data["settings"])),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        page_data=_script_data(data, drawings, _embedded(shown, progress)),
    )


def write_copies(path: str | os.PathLike[str], findings: Findings, *, progress: StageProgress | None = None) -> None:
    """Write the page of `copies_to_html` to a file, completely or not at all; an existing file is replaced.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_atomically(Path(path), [copies_to_html(findings, progress=progress).encode()])


def pair_layout(size_a: tuple[int, int], size_b: tuple[int, int], *, stacked: bool = False) -> Layout:
    """Lay out two images, each fitted into a box, side by side or one above the other.

    Parameters
    ----------
    size_a, size_b : (height, width)
    stacked : bool
        One above the other, for narrow windows.
    """
    (wa, ha), (wb, hb) = _fitted(size_a), _fitted(size_b)
    if stacked:
        width = max(wa, wb)
        a, b = ((width - wa) / 2, 0.0, wa, ha), ((width - wb) / 2, ha + GAP, wb, hb)
        return Layout((width, ha + GAP + hb), a, b)
    height = max(ha, hb)
    a, b = (0.0, (height - ha) / 2, wa, ha), (wa + GAP, (height - hb) / 2, wb, hb)
    return Layout((wa + GAP + wb, height), a, b)


def _fitted(size: tuple[int, int]) -> tuple[float, float]:
    height, width = max(size[0], 1), max(size[1], 1)
    factor = min(BOX[0] / width, BOX[1] / height)
    return width * factor, height * factor


def _drawings(shown: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return the data from which the script draws each finding."""
    return [
        {
            "wide": _plain_layout(finding, stacked=False),
            "tall": _plain_layout(finding, stacked=True),
            "within": finding.is_within,
            "lines": [_lines(points) for points in finding.points],
        }
        for finding in shown
    ]


def _plain_layout(finding: Finding, *, stacked: bool) -> list[list[float]]:
    size_a, size_b = finding.result.image_sizes
    if finding.is_within:  # one image, on which both outlines are drawn
        width, height = _fitted(size_a)
        layout = Layout((width, height), (0.0, 0.0, width, height), (0.0, 0.0, width, height))
    else:
        layout = pair_layout(size_a, size_b, stacked=stacked)
    return [[round(value, 1) for value in part] for part in layout]


def _lines(points: NDArray[np.float32]) -> list[list[float]]:
    """Return (x, y) in a and (x, y) in b of some matches, spread evenly among all."""
    n = points.shape[1]
    rows = np.unique(np.linspace(0, n - 1, min(n, MAX_LINES)).round().astype(np.intp))
    chosen = np.concatenate([points[0, rows], points[1, rows]], axis=1).astype(np.float64)
    lines: list[list[float]] = chosen.round(1).tolist()
    return lines


def _counted_labels(shown: Iterable[Finding]) -> list[tuple[str, int]]:
    """Return the labels that occur and how often, in their order."""
    found = [label for finding in shown for label in finding.labels]
    return [(label, found.count(label)) for label in LABELS if label in found]


def _embedded(shown: Iterable[Finding], progress: StageProgress | None) -> dict[str, str]:
    """Return the data URI of each image that can still be read, by its path."""
    paths = list(dict.fromkeys(path for finding in shown for path in (finding.path_a, finding.path_b)))
    side = next((side for most, side in SIDES if len(paths) <= most), SIDES[-1][1])
    paths = paths[: SIDES[-1][0]]
    images = {}
    for done, path in enumerate(paths, 1):
        image = thumbnail(path, side)
        if image is not None:
            images[text(path)] = image
        if progress is not None:
            progress(done, len(paths))
    return images


def _script_data(data: dict[str, Any], drawings: list[dict[str, Any]], images: dict[str, str]) -> str:
    """Return JSON text that cannot end the script element that contains it."""
    keys = ("path_a", "path_b", "method", "score", "labels", "group")
    rows = [
        {
            **{key: finding[key] for key in keys},
            "outlines": [[region["polygon_a"], region["polygon_b"]] for region in finding["regions"]],
            "differences": [
                [one["polygon_a"], one["polygon_b"]]
                for region in finding["regions"]
                for one in (region["pixels"] or {}).get("differences", ())
            ],
            "sizes": [finding["image_size_a"], finding["image_size_b"]],
            **drawing,
        }
        for finding, drawing in zip(data["findings"], drawings, strict=False)
    ]
    # Marks of an earlier page are restored only on a page of the same findings.
    identity = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]
    whole = json.dumps({"id": identity, "findings": rows, "images": images}, separators=(",", ":"))
    return whole.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
