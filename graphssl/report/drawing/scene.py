"""The picture as marks on paper: rectangles, paths and texts, for any program that can draw those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ..text import Face, text_width

Point = tuple[float, float]
Bounds = tuple[float, float, float, float]  # left, top, right and bottom


@dataclass(frozen=True)
class Rect:
    """A rectangle, with round corners."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    line: str
    radius: float = 0.0
    thick: float = 0.8

    def bounds(self) -> Bounds:
        """What it covers."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    def moved(self, dx: float, dy: float) -> Rect:
        """The same, further to the right and down."""
        return replace(self, x=self.x + dx, y=self.y + dy)


@dataclass(frozen=True)
class Path:
    """A line through points; each piece is straight, or `curved`: a cubic that is level at both ends.

    A closed path is filled and has no line.
    """

    points: tuple[Point, ...]
    color: str
    thick: float = 1.0
    curved: tuple[bool, ...] = ()
    dashed: bool = False
    closed: bool = False

    def pieces(self) -> Iterator[tuple[Point, ...]]:
        """For each piece its end, or the two control points and the end of a curve."""
        curved = self.curved or (False,) * (len(self.points) - 1)
        for (x0, y0), (x1, y1), bent in zip(self.points, self.points[1:], curved, strict=False):
            middle = (x0 + x1) / 2
            yield ((middle, y0), (middle, y1), (x1, y1)) if bent else ((x1, y1),)

    def bounds(self) -> Bounds:
        """What its points cover."""
        xs, ys = [x for x, _ in self.points], [y for _, y in self.points]
        return min(xs), min(ys), max(xs), max(ys)

    def moved(self, dx: float, dy: float) -> Path:
        """The same, further to the right and down."""
        return replace(self, points=tuple((x + dx, y + dy) for x, y in self.points))


@dataclass(frozen=True)
class Text:
    """One line of text; x is its left end, its middle or its right end, y its foot."""

    x: float
    y: float
    text: str
    size: float
    color: str
    anchor: Literal["start", "middle", "end"] = "start"
    face: Face = "plain"

    def bounds(self) -> Bounds:
        """What it covers."""
        width = text_width(self.text, self.size, self.face)
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return left, self.y - 0.76 * self.size, left + width, self.y + 0.24 * self.size

    def moved(self, dx: float, dy: float) -> Text:
        """The same, further to the right and down."""
        return replace(self, x=self.x + dx, y=self.y + dy)


Mark = Rect | Path | Text


@dataclass(frozen=True)
class Group:
    """Marks that belong together. kind: box, wire, or plain. note: the tooltip. facts: what a page may ask for."""

    marks: Sequence[Mark]
    kind: Literal["box", "wire", "plain"] = "plain"
    note: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    opacity: float = 1.0

    def moved(self, dx: float, dy: float) -> Group:
        """The same, further to the right and down."""
        return replace(self, marks=moved(self.marks, dx, dy))


def moved(marks: Sequence[Mark], dx: float, dy: float) -> list[Mark]:
    """The marks, further to the right and down."""
    return [mark.moved(dx, dy) for mark in marks]


def bounds(groups: Sequence[Group]) -> Bounds:
    """What all marks of the groups cover."""
    lefts, tops, rights, bottoms = zip(*(mark.bounds() for group in groups for mark in group.marks), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


@dataclass(frozen=True)
class Scene:
    """A whole picture, drawn group by group; lengths are points."""

    width: float
    height: float
    title: str
    groups: tuple[Group, ...]
