"""Pictures beside each other as one: a row a query, which stands left, with what was found for it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .style import INK, PAPER, ROLES, SMALL_INK
from .text import printable

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

__all__ = ["SIDE", "Card", "Row", "gallery"]

SIDE = 280  # px of the square that a picture stands in
GAP, MARGIN, GUTTER = 24, 36, 40  # between pictures, around all, left and right of the line after a query
COLUMNS = 8  # of what was found; more goes on below
HEAD, TEXT, TITLE, LEADING = 24, 20, 28, 28  # sizes of letters; from line to line
CARD, EDGE = "#f2f2f2", "#c8c8c8"
WIDE_FONTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "Arial Unicode MS", "WenQuanYi Zen Hei")


@dataclass(frozen=True)
class Card:
    """A picture, what stands below it in large letters, and lines in small ones, which are cut in their middle."""

    image: Image
    head: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A query, and what was found for it, the nearest first."""

    query: Card
    found: Sequence[Card]


def gallery(rows: Sequence[Row], title: str, form: str = "PNG") -> bytes:
    """The picture of all rows, as PNG, JPEG or WEBP. Pictures are whole, of their own shape; small ones show pixels."""
    from PIL import Image, ImageDraw

    columns = min(COLUMNS, max(len(row.found) for row in rows))
    lines = max(len(card.lines) for row in rows for card in (row.query, *row.found))
    high = SIDE + LEADING * (lines + 1) + GAP
    left = MARGIN + SIDE + 2 * GUTTER
    width = left + columns * (SIDE + GAP) - GAP + MARGIN
    tall = [-(-len(row.found) // columns) * high + GAP for row in rows]
    paper = Image.new("RGB", (width, MARGIN + TITLE + GAP + sum(tall)), PAPER)
    draw = ImageDraw.Draw(paper)
    _write(draw, (MARGIN, MARGIN // 2), title, TITLE, INK, width - 2 * MARGIN)
    y = MARGIN + TITLE + GAP
    for row, height in zip(rows, tall, strict=True):
        _card(paper, draw, (MARGIN, y), row.query, ROLES["data"].line)
        line = left - GUTTER
        draw.line((line, y, line, y + height - 2 * GAP), fill=EDGE, width=2)
        for i, card in enumerate(row.found):
            where = left + i % columns * (SIDE + GAP), y + i // columns * high
            _card(paper, draw, where, card, ROLES["encoder"].line)
        y += height
    buffer = io.BytesIO()
    paper.save(buffer, form, **({"quality": 92} if form != "PNG" else {}))
    return buffer.getvalue()


def _card(paper: Image, draw: ImageDraw, where: tuple[int, int], card: Card, ink: str) -> None:
    x, y = where
    image = _scaled(card.image)
    draw.rectangle((x, y, x + SIDE - 1, y + SIDE - 1), fill=CARD)
    at = x + (SIDE - image.width) // 2, y + (SIDE - image.height) // 2
    paper.paste(image, at)
    draw.rectangle((at[0] - 1, at[1] - 1, at[0] + image.width, at[1] + image.height), outline=EDGE)
    y += SIDE + 6
    _write(draw, (x, y), card.head, HEAD, ink, SIDE, bold=True)
    for i, line in enumerate(card.lines):
        _write(draw, (x, y + 2 + LEADING * (i + 1)), line, TEXT, SMALL_INK, SIDE)


def _scaled(image: Image) -> Image:
    """As large as the square allows; what is enlarged much keeps its pixels, as squares."""
    from PIL.Image import Resampling

    scale = SIDE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    how = Resampling.LANCZOS if scale < 1 else Resampling.BICUBIC if scale < 3 else Resampling.NEAREST
    return image.convert("RGB").resize((width, height), how)


# -- letters -------------------------------------------------------------------------------------------------------


def _write(
    draw: ImageDraw, where: tuple[int, int], text: str, size: int, ink: str, width: int, *, bold: bool = False
) -> None:
    font = _font(_file(printable(text), bold), size)
    draw.text(where, shortened(printable(text).replace("\n", " "), font, width), fill=ink, font=font)


def shortened(text: str, font: Any, width: int) -> str:
    """The text with as much left out of its middle, for three dots, as does not fit the width."""
    if font.getlength(text) <= width:
        return text
    kept = next((n for n in range(len(text) - 1, 1, -1) if font.getlength(_cut(text, n)) <= width), 1)
    return _cut(text, kept)


def _cut(text: str, kept: int) -> str:
    """So many characters: the end, with a file's ending, is as long as the beginning."""
    start = kept // 2
    return f"{text[:start]}…{text[len(text) - (kept - start) :]}"


@lru_cache(maxsize=64)
def _file(text: str, bold: bool) -> str:
    """DejaVu Sans, or where it lacks a letter the first wide font that is installed."""
    import matplotlib
    from matplotlib.font_manager import fontManager
    from matplotlib.ft2font import FT2Font

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = str(Path(matplotlib.get_data_path(), "fonts", "ttf", name))
    if all(FT2Font(path).get_char_index(ord(c)) or not c.isprintable() for c in text):
        return path
    wide = {entry.name: entry.fname for entry in fontManager.ttflist if entry.name in WIDE_FONTS}
    return next((wide[name] for name in WIDE_FONTS if name in wide), path)


@lru_cache(maxsize=16)
def _font(path: str, size: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(path, size)
