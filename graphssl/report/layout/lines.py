"""Lines of a picture: a wire as strokes from the right side of a box to the left sides of boxes in later columns.

A stroke that passes columns does so in a strip of its own, as high as any box there, so that it never crosses one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..figure.figure import Figure
from .columns import Span

Block = str  # a box's id, or the id of a strip


@dataclass(frozen=True)
class Line:
    """One stroke. back: it is read from right to left, with its arrow at the source's right side.

    wire: its place in the figure's wires, None for a copy of weights. texts: what is written at its ends, by box.
    """

    id: int
    source: str
    targets: tuple[str, ...]
    wire: int | None
    update: bool = False
    back: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def strip(self) -> Block:
        return f"~{self.id}"

    @property
    def port(self) -> str:
        """Names its port on the source's side: strokes of one wire begin together."""
        return f"wire {self.wire}" if self.wire is not None and not self.back else f"line {self.id}"


@dataclass(frozen=True)
class Link:
    """Where a line goes from one column to the next: `gap` is the column to the left."""

    line: Line
    left: Block
    right: Block
    gap: int


def lines_of(figure: Figure, spans: Mapping[str, Span]) -> list[Line]:
    """The lines of all wires, and of the copies whose boxes do not stand below each other."""
    found: list[Line] = []
    for i, wire in enumerate(figure.wires):
        for update in (False, True):
            ends = [e for e in wire.ends if e.update == update and e.box != wire.source]
            right = [e for e in ends if spans[e.box][0] > spans[wire.source][1]]
            if right or (not update and not wire.ends):
                texts = {e.box: e.text for e in right if e.text}
                found.append(Line(len(found), wire.source, tuple(e.box for e in right), i, update, texts=texts))
            found += [
                Line(len(found) + n, e.box, (wire.source,), i, True, True, {e.box: e.text})
                for n, e in enumerate(x for x in ends if x not in right)
            ]
    for copy in figure.copies:
        if not overlap(spans[copy.source], spans[copy.target]):
            back = spans[copy.source] > spans[copy.target]
            left, right_box = (copy.target, copy.source) if back else (copy.source, copy.target)
            found.append(Line(len(found), left, (right_box,), None, copy.written, back, {copy.target: copy.text}))
    return found


def overlap(one: Span, other: Span) -> bool:
    """Whether two boxes share a column."""
    return one[0] <= other[1] and other[0] <= one[1]


def strips(lines: list[Line], spans: Mapping[str, Span]) -> dict[Block, Span]:
    """The columns that each long line passes."""
    found = {}
    for line in lines:
        start, end = spans[line.source][1], max((spans[t][0] for t in line.targets), default=0)
        if end > start + 1:
            found[line.strip] = (start + 1, end - 1)
    return found


def links_of(lines: list[Line], spans: Mapping[str, Span]) -> Iterator[Link]:
    """Every step of every line from column to column, but for those within a strip."""
    for line in lines:
        start = spans[line.source][1]
        for target in line.targets:
            at = spans[target][0]
            yield Link(line, line.source if at == start + 1 else line.strip, target, at - 1)
        if any(spans[t][0] > start + 1 for t in line.targets):
            yield Link(line, line.source, line.strip, start)
