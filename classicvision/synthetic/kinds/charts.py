"""Charts of eight kinds, with axes, ticks, labels and a legend, as plotting libraries draw them.

The axes are always at the same place, as charts of one program have them; data, labels and the scale differ.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from classicvision.synthetic.kinds.lettering import capitalised, width_of
from classicvision.synthetic.kinds.sheet import PALETTE, Drawing, Sheet

__all__ = ["CHARTS"]

HEIGHT, WIDTH = 480, 640
LEFT, TOP, RIGHT, BOTTOM = 80, 58, 576, 427  # of the axes
TYPE: Final = 15

Plot: TypeAlias = Callable[[Sheet, np.random.Generator], None]


def _chart(style: np.random.Generator, content: np.random.Generator, *, plot: Plot) -> Sheet:
    """Draw a title, the labels of the axes, and a plot."""
    sheet = Sheet(HEIGHT, WIDTH)
    plot(sheet, content)
    sheet.centred(capitalised(content, int(content.integers(2, 5))), (LEFT + RIGHT) / 2, 42, 19)
    sheet.field(LEFT, 24, RIGHT - LEFT, 26)
    return sheet


def _frame(sheet: Sheet, rng: np.random.Generator) -> None:
    """Draw the box of the axes and their labels; what is inside is individual."""
    sheet.box(LEFT, TOP, RIGHT - LEFT + 1, BOTTOM - TOP + 1, (0, 0, 0), 1)
    sheet.centred(capitalised(rng, 2), (LEFT + RIGHT) / 2, 470, TYPE)
    sheet.upright(capitalised(rng, 2), 20, (TOP + BOTTOM) / 2, TYPE)
    sheet.field(LEFT + 1, TOP + 1, RIGHT - LEFT - 1, BOTTOM - TOP - 1)
    sheet.field(LEFT + 100, 454, RIGHT - LEFT - 200, 22)
    sheet.field(8, TOP + 80, 24, BOTTOM - TOP - 160)


def _scale_y(sheet: Sheet, rng: np.random.Generator) -> None:
    """Draw the ticks and grid of a vertical axis with a random scale."""
    n_steps, step = int(rng.integers(4, 8)), float(rng.choice([0.2, 0.5, 1, 2, 5, 10, 25, 50, 200]))
    start = step * int(rng.integers(0, 4))
    for tick in range(n_steps + 1):
        y = BOTTOM - tick * (BOTTOM - TOP) / n_steps
        if 0 < tick < n_steps:
            sheet.line(LEFT + 1, y, RIGHT - 1, y, (224, 224, 224))
        sheet.line(LEFT - 5, y, LEFT, y)
        label = f"{start + tick * step:g}"
        sheet.text(label, LEFT - 10 - width_of(label, TYPE), y + 5, TYPE)
    sheet.field(34, TOP - 10, LEFT - 34, BOTTOM - TOP + 20)


def _scale_x(sheet: Sheet, rng: np.random.Generator) -> None:
    """Draw the ticks of a horizontal axis with a random scale."""
    n_steps, step = int(rng.integers(4, 8)), int(rng.choice([1, 2, 5, 10, 20, 50]))
    start = int(rng.choice([0, 0, 100, 1950, 1990])) + step * int(rng.integers(0, 3))
    for tick in range(n_steps + 1):
        x = LEFT + tick * (RIGHT - LEFT) / n_steps
        sheet.line(x, BOTTOM, x, BOTTOM + 5)
        sheet.centred(f"{start + tick * step}", x, BOTTOM + 21, TYPE)
    _individual_ticks(sheet)


def _individual_ticks(sheet: Sheet) -> None:
    sheet.field(LEFT - 20, BOTTOM + 1, RIGHT - LEFT + 40, 25)


def _names_x(sheet: Sheet, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Name the categories of a horizontal axis and return their centres."""
    centres = LEFT + (np.arange(n) + 0.5) * (RIGHT - LEFT) / n
    for x in centres:
        sheet.line(x, BOTTOM, x, BOTTOM + 5)
        sheet.centred(capitalised(rng, 1)[: int(50 / n) + 1], float(x), BOTTOM + 21, TYPE)
    _individual_ticks(sheet)
    return centres


def _legend(sheet: Sheet, rng: np.random.Generator, n: int) -> None:
    """Draw a legend in one of the upper corners."""
    wide, tall = 132, 10 + 20 * n
    x, y = (LEFT + 8, RIGHT - wide - 8)[int(rng.integers(2))], TOP + 8
    sheet.box(x, y, wide, tall, (255, 255, 255))
    sheet.box(x, y, wide, tall, (204, 204, 204), 1)
    for row in range(n):
        sheet.line(x + 8, y + 15 + 20 * row, x + 34, y + 15 + 20 * row, PALETTE[row], 3)
        sheet.text(capitalised(rng, 1), x + 42, y + 20 + 20 * row, TYPE)


def _series(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Return a smooth series of `n` values in [0.05, 0.95]: a trend, waves and noise."""
    t = np.linspace(0, 1, n)
    value = rng.normal() * t + 0.4 * rng.normal() * np.sin(rng.uniform(2, 14) * t + rng.uniform(0, 6))
    value += np.cumsum(rng.normal(0, 0.6 / np.sqrt(n), n))
    value -= value.min()
    low = rng.uniform(0.05, 0.6)
    return low + rng.uniform(0.15, 0.93 - low) * value / max(float(value.max()), 1e-9)


def _line(sheet: Sheet, rng: np.random.Generator) -> None:
    _scale_y(sheet, rng)
    _scale_x(sheet, rng)
    n, n_series = int(rng.integers(8, 60)), int(rng.integers(1, 5))
    x = np.linspace(LEFT + 5, RIGHT - 5, n)
    for row in range(n_series):
        y = BOTTOM - (BOTTOM - TOP) * _series(rng, n)
        sheet.path(np.stack([x, y], axis=1), PALETTE[row], 2)
    _legend(sheet, rng, n_series)
    _frame(sheet, rng)


def _bars(sheet: Sheet, rng: np.random.Generator) -> None:
    _scale_y(sheet, rng)
    n, n_series = int(rng.integers(3, 8)), int(rng.integers(1, 4))
    for x in _names_x(sheet, rng, n):
        wide = 0.8 * (RIGHT - LEFT) / n / n_series
        for row in range(n_series):
            tall = rng.uniform(0.05, 0.95) * (BOTTOM - TOP)
            sheet.box(x + (row - n_series / 2) * wide, BOTTOM - tall, wide, tall, PALETTE[row])
    if n_series > 1:
        _legend(sheet, rng, n_series)
    _frame(sheet, rng)


def _scatter(sheet: Sheet, rng: np.random.Generator) -> None:
    _scale_y(sheet, rng)
    _scale_x(sheet, rng)
    n_series = int(rng.integers(1, 4))
    for row in range(n_series):
        spread = np.diag(rng.uniform(0.03, 0.12, 2)) @ rng.normal(size=(2, 2))
        middle = rng.uniform(0.25, 0.75, 2)
        for x, y in np.clip(middle + rng.normal(size=(int(rng.integers(20, 90)), 2)) @ spread, 0.02, 0.98):
            sheet.disc(LEFT + x * (RIGHT - LEFT), BOTTOM - y * (BOTTOM - TOP), 4, PALETTE[row])
    _legend(sheet, rng, n_series)
    _frame(sheet, rng)


def _pie(sheet: Sheet, rng: np.random.Generator) -> None:
    n = int(rng.integers(3, 9))
    ends = np.concatenate([[0], np.cumsum(rng.dirichlet(np.full(n, 3)))])
    middle, radius = ((LEFT + RIGHT) // 2, (TOP + BOTTOM) // 2 + 10), 160
    for row, (start, end) in enumerate(pairwise(ends)):
        arc = np.linspace(start, end, 60) * 2 * np.pi
        rim = np.stack([middle[0] + radius * np.sin(arc), middle[1] - radius * np.cos(arc)], axis=1)
        sheet.polygon([middle, *rim], PALETTE[row])
        angle = np.pi * (start + end)
        x, y = middle[0] + 1.18 * radius * np.sin(angle), middle[1] - 1.12 * radius * np.cos(angle) + 5
        sheet.centred(capitalised(rng, 1), x, y, TYPE)
        x, y = middle[0] + 0.6 * radius * np.sin(angle), middle[1] - 0.6 * radius * np.cos(angle) + 5
        sheet.centred(f"{100 * (end - start):.1f}%", x, y, TYPE)
    sheet.field(LEFT, TOP - 6, RIGHT - LEFT, BOTTOM - TOP + 40)


def _heat_map(sheet: Sheet, rng: np.random.Generator) -> None:
    rows, columns = rng.integers(5, 12, 2)
    value = rng.random((rows, columns))
    levels = np.rint(255 * value).astype(np.uint8)
    scheme = cv2.COLORMAP_VIRIDIS
    cells = np.asarray(cv2.applyColorMap(levels, scheme), np.uint8)[:, :, ::-1]
    wide, tall = RIGHT - LEFT - 60, BOTTOM - TOP
    shown = np.asarray(cv2.resize(cells, (wide, tall), interpolation=cv2.INTER_NEAREST), np.uint8)
    sheet.paste(shown, LEFT, TOP)
    for (i, j), level in np.ndenumerate(value):
        x, y = LEFT + (j + 0.5) * wide / columns, TOP + (i + 0.5) * tall / rows + 5
        sheet.centred(f"{level:.2f}", x, y, 13, (0, 0, 0) if level > 0.5 else (255, 255, 255))
    ramp = np.asarray(cv2.applyColorMap(np.arange(255, -1, -1, dtype=np.uint8)[:, None], scheme), np.uint8)[:, :, ::-1]
    sheet.paste(np.asarray(cv2.resize(ramp, (18, tall)), np.uint8), RIGHT - 40, TOP)
    for tick in range(6):
        sheet.text(f"{tick / 5:.1f}", RIGHT - 16, BOTTOM - tick * tall / 5 + 5, TYPE)
    for i in range(rows):
        sheet.text(capitalised(rng, 1)[:6], 32, TOP + (i + 0.5) * tall / rows + 5, 13)
    for j in range(columns):
        sheet.centred(capitalised(rng, 1)[:4], LEFT + (j + 0.5) * wide / columns, BOTTOM + 21, 13)
    _individual_ticks(sheet)
    sheet.field(30, TOP, LEFT - 31, tall)
    sheet.field(LEFT, TOP, wide, tall)


def _box_plot(sheet: Sheet, rng: np.random.Generator) -> None:
    _scale_y(sheet, rng)
    n = int(rng.integers(3, 8))
    for x in _names_x(sheet, rng, n):
        low, first, median, third, high = BOTTOM - np.sort(rng.uniform(0.05, 0.95, 5)) * (BOTTOM - TOP)
        half = 0.25 * (RIGHT - LEFT) / n
        sheet.line(x, low, x, high)
        sheet.box(x - half, third, 2 * half, first - third, PALETTE[0])
        sheet.box(x - half, third, 2 * half, first - third, (0, 0, 0), 1)
        sheet.line(x - half, median, x + half, median, PALETTE[1], 2)
        for y in (low, high):
            sheet.line(x - half / 2, y, x + half / 2, y)
        for y in BOTTOM - rng.uniform(0.02, 0.98, int(rng.integers(4))) * (BOTTOM - TOP):
            sheet.disc(x, y, 4, (0, 0, 0), 1)
    _frame(sheet, rng)


def _areas(sheet: Sheet, rng: np.random.Generator) -> None:
    _scale_x(sheet, rng)
    _scale_y(sheet, rng)
    n_series, x = int(rng.integers(2, 6)), np.linspace(LEFT, RIGHT, 40)
    heights = np.cumsum([_series(rng, 40) for _ in range(n_series)], axis=0)
    heights *= rng.uniform(0.6, 0.95) / heights.max()
    for row in reversed(range(n_series)):
        y = BOTTOM - (BOTTOM - TOP) * heights[row]
        sheet.polygon([(LEFT, BOTTOM), *np.stack([x, y], axis=1), (RIGHT, BOTTOM)], PALETTE[row])
    _legend(sheet, rng, n_series)
    _frame(sheet, rng)


def _flat_bars(sheet: Sheet, rng: np.random.Generator) -> None:
    _scale_x(sheet, rng)
    n = int(rng.integers(4, 12))
    pitch = (BOTTOM - TOP) / n
    for row in range(n):
        y, wide = TOP + (row + 0.5) * pitch, rng.uniform(0.05, 0.85) * (RIGHT - LEFT)
        sheet.box(LEFT, y - 0.35 * pitch, wide, 0.7 * pitch, PALETTE[0])
        sheet.text(f"{wide / 5:.1f}", LEFT + wide + 6, y + 5, TYPE)
        sheet.text(capitalised(rng, 1)[:6], 34, y + 5, 13)
    sheet.field(30, TOP, LEFT - 31, BOTTOM - TOP)
    _frame(sheet, rng)


CHARTS: Final[dict[str, Drawing]] = {
    f"chart-{name}": partial(_chart, plot=plot)
    for name, plot in {
        "line": _line,
        "bar": _bars,
        "scatter": _scatter,
        "pie": _pie,
        "heat-map": _heat_map,
        "box": _box_plot,
        "area": _areas,
        "flat-bar": _flat_bars,
    }.items()
}
"""Charts by name, each a drawing."""
