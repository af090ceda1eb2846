"""Columns, order, ports and heights of a figure: all of a layout but the widths."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ..figure.figure import Copy, Figure
from ..style import BETWEEN, HEAD, SMALL, STACK, STRIP
from ..text import text_width
from .columns import Span, columns
from .lines import Block, Line, Link, lines_of, links_of, overlap, strips
from .order import ordered
from .rows import Extent, Pull, heights
from .sizes import NEAR, RISE, STEP, LabelSize, box_size, label_size

ROOM_FOR_COPY = 14.0  # between boxes where the arrow of a copy passes, with its text
INSIDE = 7.0  # from a port to the corner of its box


class Plan:
    """A figure with its columns, and of each block the height of its middle line (`y`) and of its ports."""

    def __init__(self, figure: Figure, spread: bool) -> None:
        self.figure = figure
        self.boxes = {box.id: box for box in figure.boxes}
        self.aside = _aside(figure)
        self.need = {box.id: box_size(box) for box in figure.boxes}
        self.spans = columns(figure, spread)
        self.lines = lines_of(figure, self.spans)
        self.links = list(links_of(self.lines, self.spans))
        self.columns = ordered(self._blocks(), self.links)
        self.places = [{block: i for i, block in enumerate(column)} for column in self.columns]
        self.labels = {(line.source, line.port): self._label(line) for line in self.lines}
        self.right: dict[tuple[Block, str], float] = {}
        self.left: dict[tuple[Block, int], float] = {}
        self._right_ports()
        self._left_ports()
        self.ports: dict[Block, list[float]] = {box: [] for box in self.spans}
        for (box, _), offset in (*self.right.items(), *self.left.items()):
            self.ports[box].append(offset)
        pulls = [self.pull(link) for link in sorted(self.links, key=self._yields)]
        self.y = heights(self.columns, self._extents(), pulls, BETWEEN)

    def _blocks(self) -> dict[Block, Span]:
        """Boxes and strips, in the order kept where nothing speaks for another; what stands aside comes last."""
        main = {box: span for box, span in self.spans.items() if box not in self.aside}
        return {**main, **strips(self.lines, self.spans), **self.spans}

    def _yields(self, link: Link) -> bool:
        """Whether a line may bend so that others are straight."""
        return link.line.update or link.left in self.aside or link.right in self.aside

    def pierced(self) -> bool:
        """Whether a line crosses a box that stands in several columns."""
        long = [(box, span) for box, span in self.spans.items() if span[0] < span[1]]
        return any(
            (self.places[k.gap][k.left] < self.places[k.gap][box])
            != (self.places[k.gap + 1][k.right] < self.places[k.gap + 1][box])
            for box, (first, last) in long
            for k in self.links
            if first <= k.gap < last and box not in (k.left, k.right)
        )

    def reach(self, box: str) -> Extent:
        """How far a box itself reaches above and below its middle line: enough for its text and its ports."""
        half, ports = self.need[box][1] / 2, self.ports[box]
        return Extent(max([half, *(INSIDE - o for o in ports)]), max([half, *(INSIDE + o for o in ports)]))

    def card(self, box: str) -> float:
        """How far the second card of a box stands out."""
        return STACK if self.boxes[box].count > 1 else 0.0

    def standing(self) -> list[Copy]:
        """The copies between boxes that stand below each other."""
        return [c for c in self.figure.copies if overlap(self.spans[c.source], self.spans[c.target])]

    def above(self, copy: Copy) -> bool:
        """Whether the source of a standing copy stands above its target."""
        column = self.places[max(self.spans[copy.source][0], self.spans[copy.target][0])]
        return column[copy.source] < column[copy.target]

    # -- ports -----------------------------------------------------------------------------------------------------

    def _label(self, line: Line) -> LabelSize:
        if line.wire is None or line.back:
            text = line.texts.get(line.source, "") if line.back else ""
            return LabelSize(text_width(text, SMALL) + HEAD * line.back, Extent(RISE + SMALL if text else NEAR, NEAR))
        wire = self.figure.wires[line.wire]
        return label_size(wire.label, wire.stop)

    def _right_ports(self) -> None:
        """Offsets of ports from the middle lines of their boxes, in the order of what they lead to."""
        goals: dict[Block, dict[str, list[int]]] = {}
        for line in self.lines:
            goals.setdefault(line.source, {}).setdefault(line.port, [])
        for link in self.links:
            if link.left in self.spans:
                goals[link.left][link.line.port].append(self.places[link.gap + 1][link.right])
        for box, ports in goals.items():
            order = sorted(ports, key=lambda p: sum(ports[p]) / len(ports[p]) if ports[p] else len(self.boxes))
            offsets = stacked([self.labels[box, p].extent for p in order], order.index(next(iter(ports))))
            self.right.update(zip([(box, p) for p in order], offsets, strict=True))

    def _left_ports(self) -> None:
        coming: dict[Block, list[Link]] = {}
        for link in self.links:
            if link.right in self.spans:
                coming.setdefault(link.right, []).append(link)
        for box, links in coming.items():
            order = sorted(links, key=lambda k: (self.places[k.gap][k.left], self.right.get((k.left, k.line.port), 0)))
            extents = [Extent(RISE + SMALL if box in k.line.texts else STEP / 2, STEP / 2) for k in order]
            offsets = stacked(extents, order.index(links[0]))
            self.left.update(zip([(box, k.line.id) for k in order], offsets, strict=True))

    def _extents(self) -> dict[Block, Extent]:
        """What blocks keep free around their middle lines; boxes also for their labels and for copies."""
        found = {block: Extent(STRIP / 2, STRIP / 2) for column in self.columns for block in column}
        for box in self.spans:
            reach = self.reach(box)
            found[box] = Extent(reach.up, reach.down + self.card(box))
        for (box, port), offset in self.right.items():
            label, room = self.labels[box, port].extent, found[box]
            found[box] = Extent(max(room.up, label.up - offset), max(room.down, label.down + offset))
        for box, above in dict.fromkeys((copy.target, self.above(copy)) for copy in self.standing()):
            room = found[box]
            more = (ROOM_FOR_COPY, 0.0) if above else (0.0, ROOM_FOR_COPY)
            found[box] = Extent(room.up + more[0], room.down + more[1])
        return found

    def pull(self, link: Link) -> Pull:
        """What a link wants of the heights of its blocks."""
        right = self.left.get((link.right, link.line.id), 0.0)
        return Pull(link.left, link.right, self.right.get((link.left, link.line.port), 0.0), right)


def _aside(figure: Figure) -> set[str]:
    """Boxes that leave the straight line to others: negatives, and data that only they take."""
    goals: dict[str, set[str]] = {}
    for wire in figure.wires:
        goals.setdefault(wire.source, set()).update(end.box for end in wire.ends)
    aside = {box.id for box in figure.boxes if box.role == "negatives"}
    return aside | {b.id for b in figure.boxes if b.role == "data" and goals.get(b.id, set()) <= aside}


def stacked(extents: Sequence[Extent], main: int) -> list[float]:
    """Offsets of ports one below the other, so that their labels are apart; that of the main one is 0."""
    offsets = [0.0]
    for upper, lower in pairwise(extents):
        offsets.append(offsets[-1] + upper.down + lower.up)
    return [offset - offsets[main] for offset in offsets]
