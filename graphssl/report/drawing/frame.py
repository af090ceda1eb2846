"""Title and legend around a picture, and its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..figure.figure import Box, Copy, Figure, Wire
from ..layout.layout import layout
from ..style import CHANGES, INK, MARGIN, PAPER, ROLES, SMALL, SMALL_INK, STOP, TITLE, UPDATE, WIRE
from ..text import text_width
from .paint import painted
from .scene import Group, Mark, Path, Rect, Scene, Text, bounds, moved

CAPTION = 28.0  # from the title's top to the picture
ROW = 13.0  # of the legend
SAMPLE = 15.0  # length of a line in the legend
GAP = 12.0  # between its entries

Sample = tuple[str, list[Mark], float]


def scene_of(figure: Figure) -> Scene:
    """The whole picture of a figure."""
    groups = painted(figure, layout(figure))
    left, top, right, bottom = bounds(groups)
    samples = list(_samples(figure))
    caption = list(_caption(figure))
    wide = max([right - left, *(m.bounds()[2] for m in caption), *(s[2] for s in samples)])
    legend, tall = _legend(samples, wide)
    marks = [*moved(caption, MARGIN, MARGIN), *moved(legend, MARGIN, MARGIN + CAPTION + bottom - top + GAP)]
    x = MARGIN - left + (wide - right + left) / 2
    body = [group.moved(x, MARGIN + CAPTION - top) for group in groups]
    height = 2 * MARGIN + CAPTION + bottom - top + GAP + tall
    return Scene(wide + 2 * MARGIN, height, figure.title, (Group(marks), *body))


def _caption(figure: Figure) -> Iterator[Text]:
    yield Text(0.0, 0.8 * TITLE, figure.title, TITLE, INK, face="bold")
    x = text_width(figure.title, TITLE, "bold") + GAP
    yield Text(x, 0.8 * TITLE, figure.subtitle, SMALL, SMALL_INK)


def _legend(samples: Sequence[Sample], wide: float) -> tuple[list[Mark], float]:
    """The entries in rows no wider than the picture, and the height of these."""
    marks: list[Mark] = []
    x, y = 0.0, 0.0
    for text, sample, width in samples:
        if x and x + width > wide:
            x, y = 0.0, y + ROW
        marks += moved(sample, x, y)
        marks.append(Text(x + width - text_width(text, SMALL), y + 0.5 * ROW + 2.5, text, SMALL, SMALL_INK))
        x += width + GAP
    return marks, y + ROW


def _samples(figure: Figure) -> Iterator[Sample]:
    """What the legend explains: the sections and kinds of line that the picture has."""
    middle = ROW / 2
    roles = {box.role for box in figure.boxes}
    for name, role in ROLES.items():
        if name in roles and role.title:
            yield _sample(role.title, [Rect(0.0, middle - 4.0, 8.0, 8.0, role.fill, role.line, 1.5)], 8.0)
    parts: list[Box | Wire | Copy] = [*figure.boxes, *figure.wires, *figure.copies]
    differing = {part.change for part in parts}
    for name, look in CHANGES.items():
        if name in differing:
            yield _sample(
                f"{look.sign} {look.title}", [Rect(0.0, middle - 4.0, 8.0, 8.0, PAPER, look.color, 1.5, 2.0)], 8.0
            )
    line = ((0.0, middle), (SAMPLE, middle))
    if any(box.count > 1 for box in figure.boxes) or any(w.label.count > 1 for w in figure.wires):
        yield _sample("several views", [Path(line, WIRE, 3.0), Path(line, PAPER, 1.3)], SAMPLE)
    if any(w.stop for w in figure.wires):
        bars = [Path(((x - 1.5, middle + 4), (x + 1.5, middle - 4)), STOP, 1.3) for x in (6.0, 9.2)]
        yield _sample("stop-gradient", [Path(line, WIRE), *bars], SAMPLE)
    if any(copy.written for copy in figure.copies) or any(e.update for w in figure.wires for e in w.ends):
        yield _sample("written after the step", [Path(line, UPDATE, 1.2, dashed=True)], SAMPLE)
    if not all(copy.written for copy in figure.copies):
        yield _sample("uses the node", [Path(line, WIRE, 1.2, dashed=True)], SAMPLE)


def _sample(text: str, marks: Sequence[Mark], width: float) -> Sample:
    return text, list(marks), width + 4.0 + text_width(text, SMALL)
