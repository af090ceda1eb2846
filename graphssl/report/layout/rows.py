"""How high each box and strip stands: wires straight where possible, boxes apart, nothing above what it was below.

Blocks that a straight wire joins become one rigid body, in the order of the wires, unless one of them stands above the
other (the alignment of Brandes and Koepf 2001). The bodies then settle where their remaining wires are short.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import networkx as nx

from .lines import Block

SETTLE = 16  # passes over all bodies


@dataclass(frozen=True)
class Extent:
    """How far a block reaches above and below its middle line."""

    up: float
    down: float


@dataclass(frozen=True)
class Pull:
    """A wire between two blocks; the offsets are those of its ports from the middle lines."""

    left: Block
    right: Block
    left_offset: float = 0.0
    right_offset: float = 0.0


def heights(
    columns: Sequence[Sequence[Block]], extents: Mapping[Block, Extent], pulls: Sequence[Pull], between: float
) -> dict[Block, float]:
    """The height of each block's middle line, downwards from about 0; the first pulls are kept straight first."""
    bodies = _Bodies(columns, extents, between)
    for pull in pulls:
        bodies.join(pull.left, pull.right, pull.left_offset - pull.right_offset)
    return bodies.settle(pulls)


class _Bodies:
    def __init__(self, columns: Sequence[Sequence[Block]], extents: Mapping[Block, Extent], between: float) -> None:
        self.body = {block: block for block in extents}
        self.members = {block: [block] for block in extents}
        self.offset = dict.fromkeys(extents, 0.0)
        self.below: dict[Block, dict[Block, float]] = {block: {} for block in extents}
        for column in columns:
            for upper, lower in pairwise(column):
                self.below[upper][lower] = extents[upper].down + extents[lower].up + between

    def join(self, one: Block, other: Block, delta: float) -> None:
        """Fixes `other` at `delta` below `one`, if neither of their bodies stands above the other."""
        a, b = self.body[one], self.body[other]
        if a == b or self._above(a, b) or self._above(b, a):
            return
        shift = self.offset[one] + delta - self.offset[other]
        if len(self.members[a]) < len(self.members[b]):
            a, b, shift = b, a, -shift
        for block in self.members.pop(b):
            self.body[block] = a
            self.offset[block] += shift
            self.members[a].append(block)

    def _above(self, upper: Block, lower: Block) -> bool:
        seen, waiting = {upper}, [upper]
        while waiting:
            for body in self._under(waiting.pop()):
                if body == lower:
                    return True
                if body not in seen:
                    seen.add(body)
                    waiting.append(body)
        return False

    def _under(self, body: Block) -> Iterator[Block]:
        return (self.body[low] for block in self.members[body] for low in self.below[block])

    def settle(self, pulls: Sequence[Pull]) -> dict[Block, float]:
        """From half-way between all up and all down, each body moves to the median of its pulls, as far as it can."""
        apart = self._apart()
        order = list(nx.topological_sort(apart))
        at = _halfway(apart, order)
        wishes: dict[Block, list[tuple[Block, float]]] = {body: [] for body in order}
        for pull in pulls:
            a, b = self.body[pull.left], self.body[pull.right]
            step = self.offset[pull.left] + pull.left_offset - self.offset[pull.right] - pull.right_offset
            if a != b:
                wishes[b].append((a, step))
                wishes[a].append((b, -step))
        for i in range(SETTLE):
            for body in order if i % 2 else reversed(order):
                if wishes[body]:
                    wanted = median(at[other] + step for other, step in wishes[body])
                    low = max((at[p] + d["by"] for p, _, d in apart.in_edges(body, data=True)), default=-math.inf)
                    high = min((at[s] - d["by"] for _, s, d in apart.out_edges(body, data=True)), default=math.inf)
                    at[body] = min(max(wanted, low), high)
        return {block: at[body] + self.offset[block] for block, body in self.body.items()}

    def _apart(self) -> nx.DiGraph[Block]:
        """Bodies, and how far apart they must stand."""
        graph: nx.DiGraph[Block] = nx.DiGraph()
        graph.add_nodes_from(self.members)
        for upper, lows in self.below.items():
            for lower, distance in lows.items():
                a, b = self.body[upper], self.body[lower]
                by = distance + self.offset[upper] - self.offset[lower]
                graph.add_edge(a, b, by=max(by, graph.edges[a, b]["by"]) if graph.has_edge(a, b) else by)
        return graph


def _halfway(apart: nx.DiGraph[Block], order: Sequence[Block]) -> dict[Block, float]:
    high: dict[Block, float] = {}
    for body in order:
        high[body] = max((high[p] + d["by"] for p, _, d in apart.in_edges(body, data=True)), default=0.0)
    bottom = max(high.values(), default=0.0)
    low: dict[Block, float] = {}
    for body in reversed(order):
        low[body] = min((low[s] - d["by"] for _, s, d in apart.out_edges(body, data=True)), default=bottom)
    return {body: (high[body] + low[body]) / 2 for body in order}
