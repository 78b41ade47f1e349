"""Documents: text pages, source code, tables, spreadsheets, forms, letters and slides."""

from __future__ import annotations

from typing import Final

import numpy as np

from classicvision.synthetic.kinds.lettering import (
    Colour,
    capitalised,
    number,
    sentence,
    width_of,
    words,
    write_monospaced,
)
from classicvision.synthetic.kinds.sheet import PALETTE, Sheet, colour_of

__all__ = ["code", "form", "letter", "slide", "spreadsheet", "table", "text_page"]

GREY: Final = (110, 110, 110)


def text_page(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Print lines of prose, justified to the left, in type of 30 to 90 pixels."""
    sheet = Sheet(1000, 800, (254, 253, 250))
    size, face = int(style.integers(30, 91)), str(style.choice(["sans", "narrow", "italic", "bold"]))
    _paragraphs(sheet, content, 50, 60 + size, 700, 950, size, face)
    return sheet


def _paragraphs(
    sheet: Sheet,
    rng: np.random.Generator,
    x: float,
    y: float,
    width: float,
    bottom: float,
    size: float,
    face: str = "sans",
    colour: Colour = (25, 25, 25),
) -> None:
    """Fill a column with sentences; the first baseline is at `y`, the last above `bottom`."""
    sheet.field(x, y - size, width, bottom - y + size)
    at = x
    while y <= bottom:
        for word in sentence(rng, int(rng.integers(5, 15))).split():
            wide = width_of(word, size, face)
            if at > x and at + wide > x + width:
                at, y = x, y + 1.4 * size
            if y <= bottom:
                sheet.text(word, at, y, size, colour, face)
            at += wide + 0.3 * size
        if rng.random() < 0.15:
            at, y = x, y + 1.9 * size


def code(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Write source code in an editor: line numbers, indentation and coloured words."""
    dark = style.random() < 0.5
    ground, plain = ((30, 30, 30), (212, 212, 212)) if dark else ((255, 255, 255), (30, 30, 30))
    inks = ((86, 156, 214), (206, 145, 120), (106, 153, 85)) if dark else ((0, 0, 200), (163, 21, 21), (0, 128, 0))
    sheet, size, indent = Sheet(480, 640, ground), 17, 0
    sheet.field(50, 0, 590, 480)
    for row, y in enumerate(range(24, 476, 22)):
        write_monospaced(sheet.image, f"{row + 1:3}", 8, y, size, GREY)
        if content.random() < 0.12:
            indent = 0
            continue
        x = 56 + 4 * 0.56 * size * indent
        for text, ink in _statement(content):
            x += write_monospaced(sheet.image, text, x, y, size, plain if ink is None else inks[ink])
        indent = int(np.clip(indent + content.integers(-1, 2), 0, 3))
    return sheet


def _statement(rng: np.random.Generator) -> list[tuple[str, int | None]]:
    """Return a statement as (text, ink); the ink is None, or a row of the colours."""
    a, b, c = words(rng, 3)
    kinds: list[list[tuple[str, int | None]]] = [
        [("for ", 0), (f"{a} ", None), ("in ", 0), (f"{b}({c}):", None)],
        [("def ", 0), (f"{a}_{b}({c}, {a}):", None)],
        [("return ", 0), (f"{a}.{b}[{rng.integers(100)}]", None)],
        [("if ", 0), (f"{a} > {rng.integers(1000)} ", None), ("and ", 0), (f"{b}:", None)],
        [(f"{a} = {b}(", None), (f'"{c}"', 1), (")", None)],
        [(f"{a}.{b} += {rng.uniform(0, 10):.3f}", None)],
        [(f"# {' '.join(words(rng, 5))}", 2)],
    ]
    return kinds[int(rng.integers(len(kinds)))]


def table(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Print a table as in an article: a caption, three rules, names and numbers."""
    sheet = Sheet(460, 640)
    n_columns, n_rows = int(content.integers(4, 7)), int(content.integers(8, 15))
    sheet.text(f"Table {content.integers(1, 20)}: {sentence(content, 7)}", 40, 40, 17)
    pitch, row_height = 410 / (n_columns - 1), 24
    places = [40, *(160 + pitch * (column + 0.5) for column in range(n_columns - 1))]
    for y, thickness in ((56, 2), (86, 1), (96 + row_height * n_rows, 2)):
        sheet.line(36, y, 604, y, (0, 0, 0), thickness)
    for row in range(n_rows + 1):
        y = 77 if row == 0 else 86 + row_height * row
        sheet.text(capitalised(content, 1), 40, y, 16, face="bold" if row == 0 else "sans")
        for x in places[1:]:
            if row == 0:
                sheet.centred(capitalised(content, 1)[:8], x, y, 16, face="bold")
            else:
                sheet.centred(f"{content.uniform(0, 100):.2f}", x, y, 16)
    sheet.individual[:] = True
    return sheet


def spreadsheet(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Show the window of a spreadsheet: a toolbar, column letters, row numbers, and cells."""
    theme = PALETTE[int(style.integers(len(PALETTE)))]
    sheet = Sheet(520, 720)
    _toolbar(sheet, theme, style)
    sheet.box(0, 80, 720, 22, (240, 240, 240))
    sheet.box(0, 80, 40, 440, (240, 240, 240))
    pitch, row_height = int(style.integers(76, 110)), int(style.integers(20, 25))
    for column, x in enumerate(range(40, 720, pitch)):
        sheet.centred(chr(65 + column), x + pitch / 2, 97, 15, GREY)
        sheet.line(x, 80, x, 520, (205, 205, 205))
    for row, y in enumerate(range(102, 520, row_height)):
        sheet.line(0, y, 720, y, (205, 205, 205))
        sheet.centred(f"{row + 1}", 20, y + 17, 15, GREY)
        if row and content.random() < 0.08:
            continue
        for column, x in enumerate(range(40, 720, pitch)):
            if column and content.random() < 0.1:
                continue
            text = capitalised(content, 1) if row == 0 or column == 0 else number(content)
            sheet.text(text[: pitch // 9], x + 5, y + 17, 14, face="bold" if row == 0 else "sans")
    sheet.field(41, 103, 679, 417)
    sheet.text(number(content), 90, 72, 14)
    sheet.field(86, 58, 300, 18)
    return sheet


def _toolbar(sheet: Sheet, theme: Colour, style: np.random.Generator) -> None:
    sheet.box(0, 0, 720, 26, theme)
    for place, name in enumerate(("File", "Home", "Insert", "Data", "Review", "View")):
        sheet.text(name, 14 + 76 * place, 18, 15, (255, 255, 255))
    for place in range(16):
        sheet.box(14 + 30 * place, 33, 17, 17, colour_of(style, 60, 220), int(style.choice([-1, 2])))
    sheet.text("fx", 56, 72, 15, GREY, "italic")
    sheet.box(84, 57, 620, 20, (200, 200, 200), 1)


def form(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Print a form of an office with captions and boxes, filled in."""
    sheet = Sheet(760, 560)
    theme = colour_of(style, 30, 120)
    sheet.text(f"Form {style.integers(100, 1000)}: {capitalised(style, 3)}", 30, 48, 24, theme, "bold")
    sheet.text(sentence(style, 9)[:64], 30, 74, 14, GREY)
    sheet.line(30, 86, 530, 86, theme, 2)
    y = 106
    while y < 660:
        n_fields = int(style.integers(1, 4))
        wide = 500 / n_fields
        for column in range(n_fields):
            x = 30 + wide * column
            sheet.text(capitalised(style, 2)[:18], x + 2, y + 10, 14, theme)
            sheet.box(x, y + 15, wide - 8, 30, theme, 1)
            sheet.field(x + 2, y + 17, wide - 12, 26)
            text = number(content) if content.random() < 0.4 else capitalised(content, 2)
            while width_of(text, 19, "italic") > wide - 24:
                text = text[:-1]
            sheet.text(text, x + 8, y + 37, 19, (20, 30, 110), "italic")
        y += 58
    for column in range(4):
        x = 30 + 125 * column
        sheet.box(x, y, 16, 16, theme, 1)
        sheet.text(capitalised(style, 1), x + 24, y + 13, 14, theme)
        sheet.field(x + 1, y + 1, 14, 14)
        if content.random() < 0.5:
            sheet.line(x + 3, y + 3, x + 12, y + 12, (20, 30, 110), 2)
            sheet.line(x + 12, y + 3, x + 3, y + 12, (20, 30, 110), 2)
    return sheet


def letter(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Print a letter with the letterhead of a company."""
    sheet = Sheet(880, 640)
    theme, name = colour_of(style, 20, 190), capitalised(style, 2)
    sheet.disc(76, 66, 34, theme)
    sheet.polygon(np.array([76, 66]) + 22 * style.uniform(-1, 1, (5, 2)), (255, 255, 255))
    sheet.text(name, 126, 66, 34, theme, "bold")
    sheet.text(f"{capitalised(style, 2)} {style.integers(1, 90)}, {capitalised(style, 1)}", 128, 92, 15, GREY)
    sheet.line(40, 116, 600, 116, theme, 2)
    sheet.line(40, 826, 600, 826, theme, 1)
    sheet.text(f"{name} | {style.integers(10**8, 10**9)} | {sentence(style, 3)}", 60, 850, 14, GREY)
    for row in range(3):
        sheet.text(capitalised(content, 2), 60, 160 + 22 * row, 16)
    sheet.text(f"{content.integers(1, 29)}.{content.integers(1, 13)}.{content.integers(2000, 2030)}", 500, 160, 16)
    sheet.field(56, 144, 528, 66)
    _paragraphs(sheet, content, 60, 260, 520, int(content.integers(620, 720)), 16)
    sheet.text(capitalised(content, 2), 60, 780, 22, (30, 40, 120), "italic")
    sheet.field(56, 240, 528, 560)
    return sheet


def slide(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Show a slide: a bar with the title, bullets or bars, a footer with a logo."""
    theme, accent = colour_of(style, 20, 140), PALETTE[int(style.integers(len(PALETTE)))]
    sheet = Sheet(450, 800)
    sheet.box(0, 0, 800, 78, theme)
    sheet.box(0, 78, 800, 5, accent)
    sheet.box(0, 420, 800, 30, theme)
    sheet.disc(770, 435, 10, accent)
    sheet.text(capitalised(style, 3), 24, 440, 15, (255, 255, 255))
    sheet.text(capitalised(content, 3), 30, 52, 36, (255, 255, 255), "bold")
    sheet.field(24, 14, 750, 56)
    has_bars = content.random() < 0.5
    width = 350 if has_bars else 700
    for y in range(130, 130 + 46 * int(content.integers(4, 7)), 46):
        sheet.disc(42, y - 7, 5, accent)
        text = " ".join(words(content, 10)).capitalize()
        while width_of(text, 22) > width:
            text = text.rpartition(" ")[0]
        sheet.text(text, 60, y, 22)
    if has_bars:
        for x in range(450, 740, 58):
            tall = content.uniform(20, 230)
            sheet.box(x, 370 - tall, 38, tall, accent)
            sheet.centred(number(content)[:5], x + 19, 362 - tall, 14)
        sheet.line(440, 370, 760, 370, theme, 2)
    sheet.field(24, 90, 752, 322)
    return sheet
