"""What a layout says: rectangles of boxes, strokes of wires and copies, and where words stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..figure.figure import Copy
from .lines import Line

Point = tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """A rectangle, by its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True)
class Stroke:
    """A drawn line. `points`: its start, then the end of each piece, which is a curve where `curved` says so.

    The arrow's head is at the end; for a line that goes back, at the start; without a target there is none.
    """

    points: tuple[Point, ...]
    curved: tuple[bool, ...]
    source: str
    target: str | None
    line: Line | None = None
    copy: Copy | None = None


@dataclass(frozen=True)
class Tag:
    """Where something is written: what a wire carries, from x on; or, with `text`, the words at an arrow's head."""

    x: float
    y: float
    width: float
    line: Line | None
    text: str = ""
    update: bool = False  # whether the words are of a write


@dataclass(frozen=True)
class Layout:
    """The geometry of a figure, in points from its upper left corner."""

    frames: Mapping[str, Frame]
    strokes: tuple[Stroke, ...]
    tags: tuple[Tag, ...]
