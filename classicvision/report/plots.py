"""Plots for pages, as SVG in the colours of the page, so that they follow its light or dark scheme."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["N_SERIES", "Series", "curves", "points"]

N_SERIES = 6
"""Number of distinct colours, dashes and markers; further series repeat them."""

# Placeholders in Matplotlib's SVG, replaced by the colour variables of the page.
_INK, _LINE = "#010203", "#010204"
_COLOURS = tuple(f"#0102{10 + i:02x}" for i in range(N_SERIES))
_MARKERS, _DASHES = "osD^vP", ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
_VARIABLES = {_INK: "var(--ink)", _LINE: "var(--line)"} | {c: f"var(--series-{i})" for i, c in enumerate(_COLOURS)}


@dataclass(frozen=True)
class Series:
    """One line of a plot, or one point.

    Attributes
    ----------
    name : str
        Label in the legend.
    x, y : sequence of float
    spread : sequence of float, optional
        Half the length of the error bar at each point.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    spread: Sequence[float] | None = None


def curves(
    series: Sequence[Series],
    *,
    key: str,
    size: tuple[float, float] = (4.8, 3.0),
    ticks: Sequence[tuple[float, str]] | None = None,
    labels: tuple[str, str] = ("", ""),
    limits: tuple[float, float] | None = None,
    logarithmic: bool = False,
) -> str:
    """Draw lines over a common axis and return an SVG element.

    Parameters
    ----------
    series : sequence of Series
    key : str
        Letters that start the identifiers of this plot; unique on the page.
    size : (width, height)
        In inches of 72 units.
    ticks : sequence of (x, words), optional
    labels : (str, str)
        Of the x and of the y axis.
    limits : (low, high), optional
        Of y.
    logarithmic : bool
        Whether x is.
    """
    with _plot(key, size) as (axes, written):
        if logarithmic:
            axes.set_xscale("log")
        for i, one in enumerate(series):
            style: dict[str, Any] = _style(i) | {"linestyle": _DASHES[i % N_SERIES], "linewidth": 1.6}
            axes.errorbar(one.x, one.y, yerr=one.spread, capsize=3, **style)
        _finish(axes, labels, ticks, limits)
    return written[0]


def points(
    series: Sequence[Series], *, key: str, labels: tuple[str, str], size: tuple[float, float] = (4.8, 3.0)
) -> str:
    """Draw the points of each series over a logarithmic x, and return an SVG element."""
    with _plot(key, size) as (axes, written):
        axes.set_xscale("log")
        for i, one in enumerate(series):
            axes.errorbar(one.x, one.y, yerr=one.spread, capsize=3, linestyle="none", **_style(i))
        lowest, highest = (f(x for one in series for x in one.x) for f in (min, max))
        axes.set_xlim(lowest / 2, highest * 2)
        _finish(axes, labels, _round_ticks(lowest / 2, highest * 2), None)
    return written[0]


@contextmanager
def _plot(key: str, size: tuple[float, float]) -> Iterator[tuple[Axes, list[str]]]:
    """Yield axes to draw on, and a list that contains the SVG afterwards."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": key,
        "font.size": 9,
        "text.color": _INK,
        "axes.edgecolor": _LINE,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "grid.color": _LINE,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    written: list[str] = []
    with mpl.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        yield figure.subplots(), written
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    written.append(_for_page(buffer.getvalue(), key))


def _style(i: int) -> dict[str, Any]:
    return {"color": _COLOURS[i % N_SERIES], "marker": _MARKERS[i % N_SERIES], "markersize": 5}


def _finish(
    axes: Axes,
    labels: tuple[str, str],
    ticks: Sequence[tuple[float, str]] | None,
    limits: tuple[float, float] | None,
) -> None:
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(visible=True, linewidth=0.6)
    axes.set_axisbelow(True)
    if ticks is not None:
        axes.set_xticks([x for x, _ in ticks], [words for _, words in ticks])
        axes.minorticks_off()
    if limits is not None:
        axes.set_ylim(*limits)


def _round_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return 1, 2 and 5 times the powers of ten between two numbers, with their labels."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    return [(value, f"{value:g}") for value in values if low <= value <= high]


def _for_page(svg: str, key: str) -> str:
    """Return the <svg> element alone, as wide as its parent, in the colours and fonts of the page."""
    element = svg[svg.index("<svg") :]
    for rest in ("metadata", "style"):  # a style would apply to the whole page
        element = re.sub(rf"<{rest}\b.*?</{rest}>", "", element, flags=re.DOTALL)
    element = re.sub(r'(<svg [^>]*?)width="[^"]*"', r"\1", element, count=1)
    element = re.sub(r'(<svg [^>]*?)height="[^"]*"', r"\1", element, count=1)
    # Identifiers such as `axes_1` repeat in every plot, but must be unique on a page.
    element = re.sub(r'\bid="', f'id="{key}-', element)
    element = re.sub(r'(href="|url\()#', rf"\1#{key}-", element)
    element = re.sub(r"font-family: [^;\"]*;? ?", "", element)
    element = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", element)  # as Matplotlib before 3.10 writes it
    for colour, variable in _VARIABLES.items():
        element = element.replace(colour, variable)
    return element.replace("<svg ", '<svg aria-hidden="true" ', 1)
