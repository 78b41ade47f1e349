"""What people take screenshots of: windows of programs, chats, memes and news programmes."""

from __future__ import annotations

import numpy as np

from classicvision.synthetic.kinds.grounds import scene
from classicvision.synthetic.kinds.lettering import capitalised, sentence, width_of, words
from classicvision.synthetic.kinds.sheet import PALETTE, Sheet, colour_of
from classicvision.synthetic.kinds.symbols import glyph

__all__ = ["app_window", "chat", "meme_caption", "meme_inside", "news_frame"]


def app_window(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Show the window of a mail program: a title bar, buttons, folders; a list of messages and one of them."""
    theme, side = colour_of(style, 30, 110), int(style.integers(110, 170))
    sheet = Sheet(480, 760, (250, 250, 250))
    sheet.box(0, 0, 760, 34, theme)
    for place, colour in enumerate(((235, 95, 85), (245, 190, 80), (98, 196, 84))):
        sheet.disc(18 + 22 * place, 17, 7, colour)
    sheet.text(capitalised(style, 2), 96, 23, 17, (255, 255, 255))
    sheet.box(0, 34, 760, 42, (232, 234, 238))
    for place in range(9):
        glyph(sheet, style, (26 + 44 * place, 55), 12, theme)
    sheet.box(0, 76, side, 404, (240, 241, 244))
    for row in range(10):
        y = 104 + 36 * row
        glyph(sheet, style, (22, y - 5), 8, theme)
        sheet.text(capitalised(style, 1), 40, y, 16, theme)
    for row in range(7):
        y = 76 + 58 * row
        sheet.text(capitalised(content, 2)[:18], side + 12, y + 24, 16, face="bold")
        sheet.text(" ".join(words(content, 4))[:22], side + 12, y + 44, 14, (110, 110, 110))
        sheet.line(side, y + 57, side + 200, y + 57, (220, 220, 220))
    left = side + 216
    sheet.text(capitalised(content, 2), left, 112, 22, face="bold")
    for y in range(148, 470 if content.random() < 0.5 else 320, 24):
        text = " ".join(words(content, 14))
        while width_of(text, 16) > 744 - left:
            text = text.rpartition(" ")[0]
        sheet.text(text, left, y, 16)
        bottom = y
    if bottom < 400:
        sheet.paste(scene(content, 130, 230), left, 336)
    sheet.field(side + 1, 77, 760 - side, 403)
    return sheet


def chat(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Show a chat on a telephone: a header with a name, bubbles from both sides, and a field to type in."""
    theme, ground = colour_of(style, 20, 140), colour_of(style, 215, 250)
    sheet = Sheet(720, 400, ground)
    sheet.box(0, 0, 400, 66, theme)
    sheet.disc(44, 33, 22, colour_of(style, 120))
    glyph(sheet, style, (44, 33), 13, (255, 255, 255))
    sheet.text(capitalised(style, 2), 78, 32, 20, (255, 255, 255), "bold")
    sheet.text("online", 78, 54, 14, (225, 225, 225))
    sheet.box(0, 664, 400, 56, (246, 246, 246))
    sheet.box(52, 674, 276, 36, (255, 255, 255))
    sheet.text("Message", 66, 698, 17, (150, 150, 150))
    glyph(sheet, style, (26, 692), 13, theme)
    glyph(sheet, style, (364, 692), 14, theme)
    y = 80.0
    while y < 600:
        lines = [" ".join(words(content, int(content.integers(2, 5)))) for _ in range(int(content.integers(1, 4)))]
        wide, tall = max(width_of(line, 17) for line in lines) + 66, 18 + 22 * len(lines)
        is_own = content.random() < 0.5
        x = 388 - wide if is_own else 12
        sheet.box(x, y, wide, tall, (220, 248, 198) if is_own else (255, 255, 255))
        for row, line in enumerate(lines):
            sheet.text(line, x + 10, y + 22 + 22 * row, 17)
        sheet.text(
            f"{content.integers(24)}:{content.integers(60):02}", x + wide - 44, y + tall - 6, 13, (130, 130, 130)
        )
        y += tall + 10
    sheet.field(0, 67, 400, 597)
    return sheet


def meme_caption(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Write two lines in white with black edges over a photograph, which the style chooses."""
    sheet = Sheet(420, 560)
    sheet.paste(scene(style, 420, 560), 0, 0)
    for y in (58, 392):
        text = " ".join(words(content, int(content.integers(3, 6)))).upper()
        size = min(44.0, 520 * 40 / width_of(text, 40, "bold"))
        for dx, dy in ((-2, 0), (2, 0), (0, -2), (0, 2), (-2, -2), (2, 2), (-2, 2), (2, -2)):
            sheet.centred(text, 280 + dx, y + dy, size, (0, 0, 0), "bold")
        sheet.centred(text, 280, y, size, (255, 255, 255), "bold")
        sheet.field(0, y - 48, 560, 64)
    return sheet


def meme_inside(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Hang another image in a frame with captions: two panels, one of them the same for all."""
    sheet = Sheet(560, 560)
    sheet.paste(scene(style, 250, 270), 10, 70)
    for row in range(2):
        sheet.text(" ".join(words(style, 2)).capitalize(), 300, 150 + 60 * row, 24, face="bold")
    sheet.centred(" ".join(words(style, 6)).capitalize(), 280, 46, 28, face="bold")
    sheet.box(10, 330, 540, 220, colour_of(style, 20, 90))
    glyph(sheet, style, (60, 440), 36, colour_of(style, 180))
    sheet.paste(scene(content, 200, 420), 120, 340)
    sheet.field(120, 340, 420, 200)
    return sheet


def news_frame(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Show a frame of a news programme: a video, the headline, a ticker and the logo of the channel."""
    theme, accent = colour_of(style, 10, 130), PALETTE[int(style.integers(len(PALETTE)))]
    sheet = Sheet(432, 768)
    sheet.paste(scene(content, 432, 768), 0, 0)
    sheet.individual[:] = True
    headline = sentence(content, 5)
    sheet.box(0, 310, 768, 122, theme)
    sheet.box(0, 310, 160, 84, accent)
    sheet.box(0, 394, 768, 38, (245, 245, 245))
    sheet.box(0, 394, 110, 38, theme)
    sheet.box(616, 22, 130, 58, accent)
    sheet.text("LIVE", 30, 364, 44, (255, 255, 255), "bold")
    sheet.text(f"{capitalised(style, 1)[:5].upper()} {style.integers(1, 30)}", 626, 58, 22, (255, 255, 255), "bold")
    sheet.text("NEWS", 20, 420, 26, (255, 255, 255), "bold")
    sheet.individual[310:] = False
    sheet.individual[22:80, 616:746] = False
    sheet.text(headline, 180, 362, min(36, 560 * 30 / width_of(headline, 30, "bold")), (255, 255, 255), "bold")
    sheet.field(170, 326, 590, 56)
    ticker = sentence(content, 20)
    while width_of(ticker, 20) > 630:
        ticker = ticker.rpartition(" ")[0]
    sheet.text(ticker, 124, 420, 20)
    sheet.field(116, 398, 652, 32)
    return sheet
