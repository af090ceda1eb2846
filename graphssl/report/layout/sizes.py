"""How much room boxes and labels take."""

from __future__ import annotations

from dataclasses import dataclass

from ..figure.figure import Box, Label, Letter
from ..style import LEADING, LETTER_GAP, NAME, PADDING, SMALL, TENSOR_GAP
from ..text import text_width
from .rows import Extent

STOP_TEXT = "stop-grad"
BAR = 4.0  # width of a join
MARK = 12.0  # length of wire that the mark of a stop-gradient takes
RISE = 3.5  # from a wire up to the foot of the name above it
DROP = 9.5  # from a wire down to the foot of the axes below it
ROW = 7.5  # from the axes down to their sizes, and on to a third line
STEP = 13.0  # from port to port where nothing is written
NEAR = 5.0  # what a wire without a label keeps clear, up and down


def box_size(box: Box) -> tuple[float, float]:
    """Width and height that the text of a box needs."""
    if box.role == "join":
        return BAR, 2 * NEAR
    widths = [text_width(box.name, NAME, "bold") + times_width(box)]
    widths += [text_width(line, SMALL) for line in box.lines]
    return max(widths) + 2 * PADDING, NAME + LEADING * len(box.lines) + 11.0


def times_width(box: Box) -> float:
    """The width of what stands behind a box's name."""
    return text_width(f" {box.times}", SMALL) if box.times else 0.0


@dataclass(frozen=True)
class LabelSize:
    """The width of a label and its mark, and how far it reaches above and below its wire."""

    width: float
    extent: Extent


def label_size(label: Label, stop: bool) -> LabelSize:
    """The room for what is written on a wire."""
    name = text_width(label.title, SMALL, "italic")
    axes = sum(column_width(c) + LETTER_GAP for t in label.axes for c in t) - LETTER_GAP
    axes += (TENSOR_GAP - LETTER_GAP) * (sum(1 for t in label.axes if t) - 1)
    mark = text_width(STOP_TEXT, SMALL) if stop else 0.0
    rows = (2 if has_axes(label) else 0) + stop
    down = DROP + (rows - 1) * ROW + 2.0 if rows else NEAR
    up = RISE + SMALL if name else NEAR + 2.0 * stop
    return LabelSize(max(name + MARK * stop, axes, mark), Extent(up, down))


def has_axes(label: Label) -> bool:
    return any(label.axes)


def column_width(letter: Letter) -> float:
    """The width of an axis over its size."""
    return max(text_width(text, SMALL) for text in letter)
