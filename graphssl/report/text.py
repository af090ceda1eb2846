"""How wide text is, by the advances of DejaVu Sans, which comes with matplotlib."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from ..errors import escaped

Face = Literal["plain", "bold", "italic"]
FILES = {"plain": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf", "italic": "DejaVuSans-Oblique.ttf"}


def text_width(text: str, size: float, face: Face = "plain") -> float:
    """The width of one line of text of that size, in the unit of the size."""
    return size * sum(_advance(character, face) for character in printable(text))


def printable(text: str) -> str:
    """The lines of a text, in which what cannot be drawn or is not seen is an escape."""
    return escaped(text, keep="\n")


@lru_cache(maxsize=4096)
def _advance(character: str, face: Face) -> float:
    """In units of the size. A character that the font lacks counts as wide as it would be in another one."""
    from matplotlib.ft2font import LoadFlags

    font = _font(face)
    if unicodedata.combining(character):
        return 0.0
    if not font.get_char_index(ord(character)):
        return 1.15 if unicodedata.east_asian_width(character) in "WF" else 0.7
    glyph = font.load_char(ord(character), flags=LoadFlags.NO_SCALE)
    return float(glyph.horiAdvance / font.units_per_EM)


@lru_cache(maxsize=3)
def _font(face: Face) -> Any:
    import matplotlib
    from matplotlib.ft2font import FT2Font

    return FT2Font(str(Path(matplotlib.get_data_path(), "fonts", "ttf", FILES[face])))
