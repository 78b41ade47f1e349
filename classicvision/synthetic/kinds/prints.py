"""Printed things: barcodes, QR codes, sheet music, playing cards and banknotes."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from classicvision.synthetic.kinds.grounds import scene
from classicvision.synthetic.kinds.lettering import capitalised
from classicvision.synthetic.kinds.sheet import Sheet, colour_of

__all__ = ["banknote", "barcode", "playing_card", "qr_code", "sheet_music"]

# EAN-13: the left digits in odd and even parity, and which parities the first digit chooses. Right digits are inverted.
_ODD: Final = "0001101 0011001 0010011 0111101 0100011 0110001 0101111 0111011 0110111 0001011".split()  # noqa: SIM905
_PARITIES: Final = (0b000000, 0b001011, 0b001101, 0b001110, 0b010011, 0b011001, 0b011100, 0b010101, 0b010110, 0b011010)


def barcode(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Print a barcode, EAN-13, with its digits."""
    digits = content.integers(0, 10, 12).tolist()
    digits.append(-sum(digit * (1, 3)[place % 2] for place, digit in enumerate(digits)) % 10)
    odd = [[int(bit) for bit in code] for code in _ODD]
    right = [[1 - bit for bit in code] for code in odd]
    halves: list[list[int]] = [[], []]
    for place, digit in enumerate(digits[1:]):
        is_even = place < 6 and _PARITIES[digits[0]] >> (5 - place) & 1
        halves[place // 6] += right[digit][::-1] if is_even else odd[digit] if place < 6 else right[digit]
    bars = [1, 0, 1, *halves[0], 0, 1, 0, 1, 0, *halves[1], 1, 0, 1]
    sheet, unit = Sheet(240, 360), 3
    for place, bar in enumerate(bars):
        if bar:
            is_guard = place in (0, 2, 46, 48, 92, 94)
            sheet.box(38 + unit * place, 24, unit, 180 if is_guard else 166, (0, 0, 0))
    sheet.individual[24:190] = True
    for place, digit in enumerate(digits):
        x = 22 if place == 0 else 38 + unit * (3 + 7 * (place - 1) + 3.5 + (5 if place > 6 else 0))
        sheet.centred(str(digit), x, 216, 26)
    sheet.field(10, 192, 340, 30)
    return sheet


def qr_code(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Print a QR code of a random address; all have one size, and share the three finder patterns."""
    letters = content.choice(list("abcdefghijklmnopqrstuvwxyz0123456789"), 24)
    encoder: Any = cv2.QRCodeEncoder.create()
    modules = np.asarray(encoder.encode("https://example.org/" + "".join(letters)), np.uint8)
    n, unit = len(modules), 10
    enlarged = np.kron(modules, np.ones((unit, unit), np.uint8))
    sheet = Sheet(n * unit + 40, n * unit + 40)
    sheet.paste(np.repeat(enlarged[:, :, np.newaxis], 3, axis=2), 20, 20)
    quiet = int(np.flatnonzero((modules == 0).any(axis=0))[0])
    inner = n - 2 * quiet
    sheet.field(20 + quiet * unit, 20 + quiet * unit, inner * unit, inner * unit)
    finder = 8 * unit
    for x, y in ((0, 0), (inner * unit - finder, 0), (0, inner * unit - finder)):
        left, top = 20 + quiet * unit + x, 20 + quiet * unit + y
        sheet.individual[top : top + finder, left : left + finder] = False
    return sheet


def sheet_music(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Print five staves with clefs, bar lines and notes, and a title."""
    sheet = Sheet(600, 560, (254, 253, 248))
    sheet.centred(capitalised(content, 2), 280, 46, 28, face="bold")
    sheet.field(60, 18, 440, 40)
    gap, ink = 9, (10, 10, 10)
    for top in range(90, 560, 100):
        for row in range(5):
            sheet.line(30, top + gap * row, 530, top + gap * row, (60, 60, 60))
        _clef(sheet, 48, top)
        for x in (30, 155, 280, 405, 530):
            sheet.line(x, top, x, top + 4 * gap, ink, 2)
        sheet.field(70, top - 20, 459, 4 * gap + 40)
        for x in (155, 280, 405):  # bar lines belong to the template
            sheet.individual[top : top + 4 * gap + 1, x - 1 : x + 2] = False
        for bar in range(4):
            n = int(content.choice([2, 3, 4, 4, 6, 8]))
            for note in range(n):
                left, wide = (84, 62) if bar == 0 else (50 + 125 * bar, 92)
                _note(sheet, content, left + (note + 0.5) * wide / n, top, gap, n)
    return sheet


def _clef(sheet: Sheet, x: float, top: float) -> None:
    t = np.linspace(0, 1, 60)
    radius = 3 + 9 * t
    curl = np.stack([x + radius * np.cos(9 * t), top + 25 - 6 * t + radius * np.sin(9 * t)], axis=1)
    sheet.path(curl, (10, 10, 10), 2)
    sheet.path([(x - 4, top + 44), (x + 2, top + 48), (x + 5, top + 42), (x - 2, top - 6), (x + 3, top - 14),
                (x + 6, top - 6), (x - 6, top + 14)], (10, 10, 10), 2)  # fmt: skip


def _note(sheet: Sheet, rng: np.random.Generator, x: float, top: float, gap: float, n: int) -> None:
    """Draw a note of random pitch: its head, stem, flag and perhaps a sharp."""
    pitch, ink = int(rng.integers(-1, 10)), (10, 10, 10)
    y = top + gap * (4 - pitch / 2)
    up = 1 if pitch < 5 else -1
    line = -1 if n > 2 else 2
    cv2.ellipse(sheet.image, (round(x), round(y)), (6, 4), -20, 0, 360, ink, line, cv2.LINE_AA)
    sheet.line(x + 5 * up, y, x + 5 * up, y - 28 * up, ink)
    if n > 4:
        sheet.path([(x + 5 * up, y - 28 * up), (x + 5 * up + 7, y - 18 * up), (x + 5 * up + 5, y - 12 * up)], ink, 2)
    if pitch == -1:
        sheet.line(x - 9, y, x + 9, y, ink)
    if rng.random() < 0.1:
        sheet.text("#", x - 17, y + 5, 14, face="narrow")


# Suits as outlines of unit radius, y downwards.
_T: Final = np.linspace(0, 2 * np.pi, 48, endpoint=False)


def _ring(radius: NDArray[Any]) -> NDArray[np.float64]:
    return np.stack([radius * np.sin(_T), -radius * np.cos(_T)], axis=1)


_HEART: Final = np.stack(
    [np.sin(_T) ** 3, -(13 * np.cos(_T) - 5 * np.cos(2 * _T) - 2 * np.cos(3 * _T) - np.cos(4 * _T)) / 16], axis=1
)
_SUITS: Final = (
    (_HEART, (200, 20, 40)),
    (-0.9 * _HEART, (15, 15, 15)),  # a spade without its foot
    (np.array([(0, -1.1), (0.75, 0), (0, 1.1), (-0.75, 0)]), (200, 20, 40)),
    (_ring(0.75 + 0.3 * np.cos(3 * _T)), (15, 15, 15)),
    (_ring(0.75 + 0.25 * np.cos(5 * _T)), (20, 110, 60)),
    (_ring(0.8 + 0.15 * np.cos(12 * _T)), (190, 130, 10)),
    (np.stack([np.sin(_T) * (1.2 + np.cos(_T)) / 2.2, -np.cos(_T)], axis=1), (30, 70, 170)),
    (_ring(1 / np.maximum(np.abs(np.sin(_T)), np.abs(np.cos(_T)))) * 0.75, (120, 40, 130)),
)
_RANKS: Final = "A 2 3 4 5 6 7 8 9 10 J Q K".split()  # noqa: SIM905


def playing_card(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Print a playing card of one of eight suits: pips, or a scene for a court card, and the rank in two corners."""
    sheet = Sheet(420, 300, (90, 110, 100))
    sheet.box(8, 8, 284, 404, (253, 252, 248))
    sheet.box(8, 8, 284, 404, (120, 120, 120), 1)
    sheet.box(50, 40, 200, 340, (150, 160, 200), 1)
    rank, (outline, ink) = int(content.integers(13)), _SUITS[int(content.integers(len(_SUITS)))]
    if rank >= 10:
        sheet.paste(scene(content, 336, 196), 52, 42)
    for x, y in _pips(rank + 1 if rank < 10 else 2):
        shape = outline if y <= 0.5 else -outline
        at = np.array([150 + 60 * x, 70 + 280 * y])
        sheet.polygon(at + (50 if rank == 0 else 22) * shape, ink)
    sheet.field(51, 41, 198, 338)
    upper = sheet.image[:210, :]
    sheet.text(_RANKS[rank], 13, 39, 30, ink, "bold")
    sheet.polygon(np.array([28, 62]) + 10 * outline, ink)
    sheet.image[380:410, 241:290] = upper[10:40, 10:59][::-1, ::-1]
    sheet.image[330:410, 251:290] = upper[10:90, 10:49][::-1, ::-1]
    sheet.field(10, 10, 49, 80)
    sheet.field(241, 330, 49, 81)
    return sheet


def _pips(n: int) -> list[tuple[float, float]]:
    """Return the places of pips: columns -1, 0 and 1, rows from 0 to 1."""
    if n <= 3:
        return [(0.0, 0.5)] * (n % 2) + [(0.0, 0.0), (0.0, 1.0)] * (n > 1)
    n_rows = 2 if n < 6 else 3 if n < 9 else 4
    sides = [(x, row / (n_rows - 1)) for x in (-1.0, 1.0) for row in range(n_rows)]
    middle = {1: [0.5], 2: [0.17, 0.83]}.get(n - len(sides), [])
    return sides + [(0.0, y) for y in middle]


def banknote(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Print a note: guilloche lines, a rosette, an oval engraving, the value and a serial number."""
    ink = np.array(colour_of(content, 40, 150))
    pale = tuple((255 - (255 - ink) // 6).tolist())
    sheet, dark = Sheet(300, 640, pale), tuple(ink.tolist())
    x = np.linspace(0, 640, 400)
    waves, swing = content.uniform(1, 9, 2), content.uniform(20, 90)
    for phase in np.linspace(0, 2 * np.pi, 36, endpoint=False):
        y = 150 + swing * np.sin(waves[0] * x / 100 + phase) + 60 * np.sin(waves[1] * x / 200 - 2 * phase)
        sheet.path(np.stack([x, y], axis=1), tuple(((ink + 2 * 255) // 3).tolist()), 1)
    t = np.linspace(0, 2 * np.pi, 900)
    lobes, turns = content.integers(5, 17, 2)
    for scale in np.linspace(0.3, 1, 14):
        radius = 90 * scale * (1 + 0.25 * np.sin(lobes * t + 5 * scale) * np.cos(turns * t))
        sheet.path(np.stack([420 + radius * np.cos(t), 150 + radius * np.sin(t)], axis=1), dark, 1)
    portrait, mask = scene(content, 220, 160), np.zeros((220, 160), np.uint8)
    cv2.ellipse(mask, (80, 110), (76, 106), 0, 0, 360, 255, -1)
    grey = portrait.mean(axis=2, keepdims=True) / 255
    engraved = (ink + (np.array(pale) - ink) * grey).astype(np.uint8)
    sheet.image[40:260, 60:220][mask > 0] = engraved[mask > 0]
    value, serial = f"{content.choice([5, 10, 20, 50, 100, 200, 500])}", content.integers(10**8, 10**9)
    sheet.text(value, 540, 60, 48, dark, "bold")
    sheet.text(value, 20, 280, 40, dark, "bold")
    sheet.centred(capitalised(content, 2), 320, 40, 24, dark, "bold")
    sheet.text(f"{capitalised(content, 1)[:2].upper()} {serial}", 470, 280, 18, (150, 30, 30))
    sheet.box(6, 6, 628, 288, dark, 3)
    return sheet
