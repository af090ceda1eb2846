"""The augmented views of runs: the picture that each has kept."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...files import read_regular
from ...report.page import Html, Section, element, picture
from .entries import Entry
from .words import several

__all__ = ["kept_views", "view_section"]

LARGEST = 1 << 26  # bytes of a picture's file
PIXELS = 1 << 26  # of a picture
MOST = 6  # pictures
WIDEST, HIGHEST = 560, 480  # px on the page


def kept_views(folder: Path) -> bytes | None:
    """The picture in a run's folder; None where there is none that can be read."""
    try:
        return read_regular(folder / "views.png", LARGEST)
    except OSError:
        return None


def view_section(entries: Sequence[Entry], drawn: Mapping[int, bytes]) -> Section:
    """The section. drawn: of entries by their places, what was drawn again."""
    pictures: dict[bytes, list[str]] = {}
    lacking = []
    for i, entry in enumerate(entries):
        folder = entry.runs[0].folder
        content = drawn.get(i) or (kept_views(folder.path) if folder is not None else None)
        if content is None:
            lacking.append(entry.name)
        else:
            pictures.setdefault(content, []).append(entry.name)
    shown = [figure for content, names in pictures.items() if (figure := _figure(content, names)) is not None]
    said = ["Each row is a picture of the training set, each column a view of it."] if shown else []
    if lacking:
        said.append(f"No picture of views is there of: {several(lacking)}.")
    if len(shown) > MOST:
        said.append(f"The first {MOST} of {len(shown)} that differ.")
    return Section("views", "Augmented views", [*said, element("div", shown[:MOST], class_="side")])


def _figure(content: bytes, names: Sequence[str]) -> Html | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as opened:
            if opened.width * opened.height > PIXELS:
                return None
            image = opened.convert("RGB")
    except (OSError, SyntaxError, ValueError):
        return None
    image.thumbnail((2 * WIDEST, 2 * HIGHEST))
    who = several(list(names))
    wide = min(image.width, WIDEST, round(HIGHEST * image.width / image.height))
    return element("figure", element("figcaption", who), picture(image, f"augmented views of {who}", width=wide))
