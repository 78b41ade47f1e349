"""A sheet with every step of SIFT, for teaching.

Matplotlib is imported when a sheet is drawn, and only through its figure classes, so that the global state of pyplot
does not change.
"""

from __future__ import annotations

import io
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import ImageWriteError
from classicvision.features import edges
from classicvision.features.extrema import Blobs
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift, trace
from classicvision.features.sift_trace import SiftTrace
from classicvision.files import write_atomically
from classicvision.images import Image
from classicvision.viz.drawing import BLOB_RADIUS, PATCH_SIDE, descriptor_roses, unit_vectors, upright_patch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ["representative_keypoint", "sift_steps_sheet", "write_sift_steps"]

SHEET_WIDTH: Final = 16.0  # inches
SHEET_DPI: Final = 120
SHEET_MAX_SIDE: Final = 640  # pixels; a panel of the sheet cannot show more
MAX_LEVELS: Final = 7  # of an octave, shown side by side
LOG_SIGMA: Final = 2.0  # pixels; wide enough to show edges of objects rather than of texture
BRIGHT, DARK = "#ffd21f", "#35e0ff"  # blobs brighter and darker than their surroundings

_FORMATS: Final[dict[str, dict[str, Any]]] = {
    # Without the date, equal images give equal files.
    ".png": {"format": "png"},
    ".svg": {"format": "svg", "metadata": {"Date": None}},
    ".pdf": {"format": "pdf", "metadata": {"CreationDate": None}},
}


def write_sift_steps(path: str | os.PathLike[str], image: Image, settings: Sift | None = None) -> int:
    """Draw every step of SIFT on an image and write the sheet, whole or not at all.

    Parameters
    ----------
    path : path
        Its ending, .png, .svg or .pdf, chooses the format.
    image : (H, W, 3) uint8
        Shrunk to 640 pixels unless the settings have another `max_side`, so that single steps are visible.
    settings : Sift, optional

    Returns
    -------
    int
        The number of keypoints drawn.

    Raises
    ------
    ImageWriteError
    """
    path = Path(path)
    options = _FORMATS.get(path.suffix.lower())
    if options is None:
        raise ImageWriteError(path, f"{path.suffix!r} is not a format for sheets; use one of {', '.join(_FORMATS)}")
    settings = settings or Sift()
    steps = trace(image, replace(settings, max_side=settings.max_side or SHEET_MAX_SIDE))
    try:
        write_atomically(path, [_encode(sift_steps_sheet(image, steps), options)])
    except OSError as error:
        raise ImageWriteError(path, f"cannot be written ({error})") from error
    return len(steps.features)


def sift_steps_sheet(image: Image, steps: SiftTrace) -> Figure:
    """Draw the steps of SIFT in order: edges, blobs, extrema, keypoints, one descriptor.

    Parameters
    ----------
    image : (H, W, 3) uint8
        The image in colour.
    steps : SiftTrace
        The result of `trace` for it.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    height, width = steps.gray.shape
    panel = SHEET_WIDTH / 4 * min(max(height / width, 0.3), 1.5) + 0.7  # inches; bounded for very wide or tall images
    rows = np.array([panel, panel, 0.8 * panel, panel, max(panel, 4.5)])
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)  # inches
    sheet = Figure(figsize=(SHEET_WIDTH, float(rows.sum())), dpi=SHEET_DPI, layout=layout)
    grid = sheet.add_gridspec(5, 1, height_ratios=rows)
    parts = [sheet.add_subfigure(grid[row]) for row in range(5)]
    _draw_edges(parts[0], image, steps.gray)
    _draw_laplacians(parts[1], steps.gray)
    _draw_octave(parts[2], steps)
    _draw_extrema(parts[3], steps)
    _draw_keypoints_and_descriptor(parts[4], steps)
    return sheet


def _draw_edges(part: SubFigure, image: Image, gray: NDArray[np.uint8]) -> None:
    part.suptitle("Edges: first and second derivatives of the grey image", fontweight="bold")
    original, size, direction, second = part.subplots(1, 4)
    magnitude, angle = edges.gradient(gray)
    _show(original, image, f"image, {image.shape[1]} × {image.shape[0]} pixels")
    _show(size, magnitude, "gradient magnitude", cmap="gray", vmax=_bound(magnitude))
    _show(direction, _as_hue(angle, np.sqrt(magnitude / _bound(magnitude))), "gradient angle as hue")
    wheel = direction.inset_axes((0.84, 0.02, 0.15, 0.15 * gray.shape[1] / gray.shape[0]))
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    wheel.imshow(_as_hue(np.arctan2(y, x), (np.hypot(x, y) <= 1).astype(float)))
    wheel.set_axis_off()
    _show_signed(second, edges.laplacian(gray), "Laplacian (red above 0, blue below)")


def _draw_laplacians(part: SubFigure, gray: NDArray[np.uint8]) -> None:
    part.suptitle(
        "Laplacian of Gaussian, its zero crossings, and the difference of Gaussians that SIFT uses instead",
        fontweight="bold",
    )
    blurred, crossings, difference, profile = part.subplots(1, 4)
    log = edges.laplacian_of_gaussian(gray, LOG_SIGMA)
    k = 2 ** (1 / 3)
    dog = edges.difference_of_gaussians(gray, LOG_SIGMA, k)
    # Lowe (2004), equation before section 3.1: D is about (k - 1) sigma^2 times the Laplacian of Gaussian.
    expected = (k - 1) * LOG_SIGMA**2 * log
    error = np.linalg.norm(dog - expected) / max(float(np.linalg.norm(expected)), 1e-12)
    _show_signed(blurred, log, f"Laplacian of Gaussian, σ = {LOG_SIGMA:g} pixels")
    steep = edges.zero_crossings(log, least_step=0.1 * _bound(log))
    _show(crossings, ~steep, "its steep zero crossings", cmap="gray", vmax=1)
    _show_signed(difference, dog, "difference of Gaussians, k = 2^(1/3)")
    row = len(gray) // 2
    profile.plot(expected[row], color="0.55", linewidth=2.5, label="(k − 1) σ² LoG")
    profile.plot(dog[row], color="#b2182b", linewidth=1, label="DoG")
    profile.set_title(f"row {row}; overall they differ by {error:.0%}", fontsize=10)
    profile.margins(x=0, y=0.25)
    profile.tick_params(labelsize=8)
    profile.legend(fontsize=8, loc="upper right", ncols=2)


def _draw_octave(part: SubFigure, steps: SiftTrace) -> None:
    space = steps.space
    if not space.dog:
        part.suptitle("The image is too small for a scale space", fontweight="bold")
        return
    octave = min(int(space.upsampled), len(space.dog) - 1)  # the octave at the resolution of the image, if it exists
    dog = space.dog[octave]
    part.suptitle(f"Difference of Gaussians: octave {octave}, {len(dog)} levels", fontweight="bold")
    shown = np.linspace(0, len(dog) - 1, min(len(dog), MAX_LEVELS)).round().astype(int).tolist()
    for layer, axes in zip(shown, part.subplots(1, len(shown), squeeze=False)[0], strict=True):
        sigma = space.blur(layer) * space.spacing(octave)
        _show_signed(axes, dog[layer], f"σ = {sigma:.2f} pixels", bound=_bound(dog))


def _draw_extrema(part: SubFigure, steps: SiftTrace) -> None:
    part.suptitle("Extrema before and after each rejection (yellow: bright blobs, blue: dark blobs)", fontweight="bold")
    named = (
        ("extrema among 26 neighbours", steps.candidates),
        ("interpolated between samples", steps.refined),
        ("enough contrast", steps.strong),
        ("not on an edge", steps.kept),
    )
    for axes, (name, blobs) in zip(part.subplots(1, 4), named, strict=True):
        _show(axes, steps.gray, f"{name}: {len(blobs):,}", cmap="gray", vmax=255)
        _add_blobs(axes, blobs)


def _draw_keypoints_and_descriptor(part: SubFigure, steps: SiftTrace) -> None:
    part.suptitle("Oriented keypoints, and the descriptor of one", fontweight="bold")
    overview, square, histogram = part.subplots(1, 3, width_ratios=(4, 3, 5))
    _show(overview, steps.gray, f"keypoints and their angles: {len(steps.features):,}", cmap="gray", vmax=255)
    _add_keypoints(overview, steps.features)
    if not len(steps.features):
        for axes in (square, histogram):
            axes.set_axis_off()
        square.set_title("no keypoints", fontsize=10)
        return
    one = steps.features[representative_keypoint(steps.features)]
    _draw_roses(square, steps.gray, one)
    corners = one.xy[0] + PATCH_SIDE / 2 * one.scale[0] * unit_vectors(one.angle[0] + np.pi * np.arange(0.25, 2.5, 0.5))
    overview.plot(*corners.T, color="#ff3b3b", linewidth=2, scalex=False, scaley=False)
    histogram.bar(np.arange(128), one.descriptors[0], width=1, color="#2166ac")
    histogram.set_xticks(np.arange(0, 129, 8))
    histogram.grid(axis="x", color="0.85", linewidth=0.8)
    histogram.set_axisbelow(True)
    histogram.margins(x=0)
    histogram.tick_params(labelsize=8)
    histogram.set_title("its 128 bins: 16 cells, row by row, with 8 directions each", fontsize=10)


def _draw_roses(axes: Axes, gray: NDArray[np.uint8], one: LocalFeatures) -> None:
    from matplotlib.collections import LineCollection

    patch = upright_patch(gray, one.xy[0], float(one.scale[0]), float(one.angle[0]))
    axes.imshow(patch, cmap="gray", extent=(0, 4, 4, 0), alpha=0.6)
    axes.add_collection(LineCollection(list(descriptor_roses(one.descriptors[0])), colors="#d6001c", linewidths=1.8))
    axes.set_xticks(range(5), [])
    axes.set_yticks(range(5), [])
    axes.tick_params(length=0)
    axes.grid(color="#2166ac", linewidth=1)
    axes.set_title(f"the red square, σ = {one.scale[0]:.1f}, rotated to its angle", fontsize=10)


def representative_keypoint(features: LocalFeatures) -> slice:
    """Choose the strongest keypoint that is large enough to be visible and whose square lies inside the image.

    If there is no such keypoint, choose the strongest whose square lies inside, else the strongest of all.
    """
    height, width = features.image_size
    reach = PATCH_SIDE / 2 * math.sqrt(2) * features.scale[:, None]
    inside = np.all((features.xy >= reach) & (features.xy <= np.array([width, height]) - 1 - reach), axis=1)
    large = features.scale >= min(height, width) / 80
    chosen = int(np.lexsort((features.response, inside, inside & large))[-1])
    return slice(chosen, chosen + 1)


def _add_blobs(axes: Axes, blobs: Blobs) -> None:
    _add_circles(axes, blobs.xy, blobs.scale, np.where(blobs.value < 0, BRIGHT, DARK).tolist())


def _add_keypoints(axes: Axes, features: LocalFeatures) -> None:
    from matplotlib.collections import LineCollection

    _add_circles(axes, features.xy, features.scale, BRIGHT)
    tips = features.xy + BLOB_RADIUS * features.scale[:, None] * unit_vectors(features.angle)
    axes.add_collection(LineCollection(list(np.stack([features.xy, tips], axis=1)), colors=BRIGHT, linewidths=0.7))


def _add_circles(axes: Axes, xy: NDArray[np.floating], scale: NDArray[np.floating], colours: str | list[str]) -> None:
    from matplotlib.collections import EllipseCollection

    if not len(xy):
        return
    width = 2 * BLOB_RADIUS * scale
    # units="xy": sizes are in pixels of the image. Rasterised, thousands of circles do not
    # inflate a vector file.
    place: dict[str, Any] = {"units": "xy", "offsets": xy, "offset_transform": axes.transData}
    look: dict[str, Any] = {"facecolors": "none", "edgecolors": colours, "linewidths": 0.7, "rasterized": True}
    axes.add_collection(EllipseCollection(width, width, np.zeros(len(xy)), **place, **look))


def _show(axes: Axes, values: NDArray[Any], title: str, **options: Any) -> None:
    axes.imshow(values, **({"vmin": 0} | options))
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


def _show_signed(axes: Axes, values: NDArray[Any], title: str, *, bound: float | None = None) -> None:
    """Show signed values; zero is white."""
    bound = bound or _bound(values)
    _show(axes, values, title, cmap="RdBu_r", vmin=-bound, vmax=bound)


def _bound(values: NDArray[Any]) -> float:
    """Return the 99th percentile of the magnitudes, so that a single strong edge does not darken the rest."""
    return max(float(np.quantile(np.abs(values), 0.99)), 1e-12)


def _as_hue(angle: NDArray[np.float64], brightness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (H, W) angles as the hues of an (H, W, 3) image in [0, 1], red for 0."""
    from matplotlib.colors import hsv_to_rgb

    hsv = np.stack([angle / (2 * np.pi) % 1, np.ones_like(angle), np.clip(brightness, 0, 1)], axis=-1)
    return np.asarray(hsv_to_rgb(hsv), np.float64)


def _encode(sheet: Figure, options: dict[str, Any]) -> bytes:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    # Without a salt, SVG element names are random.
    with rc_context({"svg.hashsalt": "classicvision"}):
        sheet.savefig(buffer, **options)
    return buffer.getvalue()
