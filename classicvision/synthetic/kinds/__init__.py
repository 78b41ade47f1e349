"""Lookalikes: works of one kind, which share a layout, a typeface or a template, but are not copies of each other.

`KINDS` draws a new work with each generator. `TEMPLATES` draws works with one fixed layout, and marks where they
differ. `draw_works` draws several works of a kind that all differ.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import SettingsError
from classicvision.images import Image
from classicvision.synthetic import lookalikes
from classicvision.synthetic.kinds import documents, grounds, prints, screens, symbols
from classicvision.synthetic.kinds.charts import CHARTS
from classicvision.synthetic.kinds.sheet import Drawing

__all__ = ["KINDS", "TEMPLATES", "Kind", "Template", "draw_works"]

Kind: TypeAlias = Callable[[np.random.Generator], Image]
Template: TypeAlias = Callable[[np.random.Generator], tuple[Image, NDArray[np.bool_]]]

_LAYOUT: Final = 20  # seeds the layout of templates


def _kind(draw: Drawing, rng: np.random.Generator) -> Image:
    style, content = rng.spawn(2)
    return draw(style, content).image


def _template(draw: Drawing, rng: np.random.Generator) -> tuple[Image, NDArray[np.bool_]]:
    sheet = draw(np.random.default_rng(_LAYOUT), rng)
    return sheet.image, sheet.individual


_DRAWINGS: Final[dict[str, Drawing]] = {
    "text": documents.text_page,
    "slide": documents.slide,
    "code": documents.code,
    **CHARTS,
    "table": documents.table,
    "icon": symbols.icon,
    "letter": symbols.single_letter,
    "shapes": symbols.shapes,
    "barcode": prints.barcode,
    "qr": prints.qr_code,
    "music": prints.sheet_music,
    "card": prints.playing_card,
    "blots": grounds.blots,
    "cells": grounds.cells,
    "map": grounds.map_of_streets,
    "screenshot": screens.app_window,
    "product": symbols.product,
    "logo": symbols.logo,
    "halftone": grounds.halftone,
    "form": documents.form,
    "letterhead": documents.letter,
    "spreadsheet": documents.spreadsheet,
    "meme": screens.meme_caption,
    "chat": screens.chat,
    "news": screens.news_frame,
    "banknote": prints.banknote,
}

KINDS: Final[dict[str, Kind]] = {
    **{name: partial(_kind, draw) for name, draw in _DRAWINGS.items()},
    "flag": lookalikes.flag,
    "bricks": lookalikes.brick_wall,
    "facade": lookalikes.facade,
}
"""Kinds by name: each draws an (H, W, 3) uint8 image, a work that the generator chooses.

Letters and playing cards are few, so two generators can draw the same one; `draw_works` skips it."""

TEMPLATES: Final[dict[str, Template]] = {
    name: partial(_template, draw)
    for name, draw in {
        "chart": CHARTS["chart-line"],
        "form": documents.form,
        "letter": documents.letter,
        "qr": prints.qr_code,
        "music": prints.sheet_music,
        "spreadsheet": documents.spreadsheet,
        "slide": documents.slide,
        "window": screens.app_window,
        "chat": screens.chat,
        "meme-caption": screens.meme_caption,
        "meme-inside": screens.meme_inside,
        "news": screens.news_frame,
        "card": prints.playing_card,
    }.items()
}
"""Templates by name: each draws an (H, W, 3) uint8 image, and an (H, W) mask that is true where its content is its
own. Outside of their masks two images of one template are equal."""


def draw_works(kind: str, n: int, seed: int = 0) -> list[Image]:
    """Draw works of a kind that all differ.

    Parameters
    ----------
    kind : str
        A name in `KINDS`.
    n : int
        Number of works; there are 104 playing cards and 159 letters.
    seed : int
        Another seed gives other works.

    Returns
    -------
    list of (H, W, 3) uint8

    Raises
    ------
    SettingsError
        If the kind is not in `KINDS`, or has fewer works.
    """
    if kind not in KINDS:
        raise SettingsError(f"kind is {kind!r}; it must be one of {', '.join(KINDS)}")
    works: dict[bytes, Image] = {}
    for number in range(20 * n + 200):
        if len(works) == n:
            return list(works.values())
        image = KINDS[kind](np.random.default_rng([seed, number]))
        works.setdefault(image.tobytes(), image)
    raise SettingsError(f"{n} works of the kind {kind!r} are wanted, but only {len(works)} differ; ask for fewer")
