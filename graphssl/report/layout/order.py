"""The order of boxes and strips in each column, by barycentre sweeps (Sugiyama et al. 1981), so that few wires cross.

What stands in several columns stands on the same side of each neighbour in all of them: nothing crosses a long box.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence

from .columns import Span
from .lines import Block, Link

Columns = list[list[Block]]
SWEEPS = 12
PATIENCE = 4  # sweeps without a gain


def ordered(spans: Mapping[Block, Span], links: Sequence[Link]) -> Columns:
    """The blocks of each column from top to bottom; of equally good orders, the one nearest to that of `spans`."""
    count = max((last for _, last in spans.values()), default=-1) + 1
    columns: Columns = [[] for _ in range(count)]
    for block, (first, last) in spans.items():
        for column in range(first, last + 1):
            columns[column].append(block)
    gaps: list[list[Link]] = [[] for _ in range(count)]
    for link in links:
        gaps[link.gap].append(link)
    _sweep(columns, spans, gaps, forward=True)
    best, fewest, waited = [list(c) for c in columns], crossings(columns, gaps), 0
    for i in range(SWEEPS):
        if not fewest or waited >= PATIENCE:
            break
        _sweep(columns, spans, gaps, forward=i % 2 == 1)
        _exchange(columns, spans, gaps)
        found = crossings(columns, gaps)
        waited = 0 if found < fewest else waited + 1
        if found < fewest:
            best, fewest = [list(c) for c in columns], found
    return best


def _sweep(columns: Columns, spans: Mapping[Block, Span], gaps: Sequence[Sequence[Link]], forward: bool) -> None:
    """Sorts each column by where the neighbours in the column before it stand (after it, when going backward)."""
    numbers = range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1)
    for number in numbers:
        beside = columns[number - 1 if forward else number + 1]
        at = {block: i for i, block in enumerate(beside)}
        wanted: dict[Block, list[int]] = {}
        for link in gaps[number - 1 if forward else number]:
            here, there = (link.right, link.left) if forward else (link.left, link.right)
            if spans[here][0 if forward else 1] == number:
                wanted.setdefault(here, []).append(at[there])
        columns[number] = _sorted(columns[number], at, wanted, len(beside))


def _sorted(
    column: list[Block], at: Mapping[Block, int], wanted: Mapping[Block, list[int]], beside: int
) -> list[Block]:
    scale = beside / max(len(column), 1)
    keys = {
        block: at[block] if block in at else sum(wanted[block]) / len(wanted[block]) if block in wanted else i * scale
        for i, block in enumerate(column)
    }
    return sorted(column, key=keys.__getitem__)


def _exchange(columns: Columns, spans: Mapping[Block, Span], gaps: Sequence[Sequence[Link]]) -> None:
    """Swaps neighbours that share no other column, where fewer lines cross after it."""
    for number, column in enumerate(columns):
        sides = [_reached(columns, gaps, number, step) for step in (-1, 1)]
        for i in range(len(column) - 1):
            upper, lower = column[i], column[i + 1]
            shared = min(spans[upper][1], spans[lower][1]) - max(spans[upper][0], spans[lower][0])
            if not shared and _gain(sides, upper, lower) > 0:
                column[i], column[i + 1] = lower, upper


def _reached(columns: Columns, gaps: Sequence[Sequence[Link]], number: int, step: int) -> dict[Block, list[int]]:
    """Where in the column beside it each block's lines go."""
    if not 0 <= number + step < len(columns):
        return {}
    at = {block: i for i, block in enumerate(columns[number + step])}
    found = {block: [at[block]] for block in columns[number] if block in at}
    for link in gaps[number if step > 0 else number - 1]:
        here, there = (link.left, link.right) if step > 0 else (link.right, link.left)
        found.setdefault(here, []).append(at[there])
    return found


def _gain(sides: Sequence[Mapping[Block, Sequence[int]]], upper: Block, lower: Block) -> int:
    """How many crossings fewer there are when the two change places."""
    pairs = [(a, b) for side in sides for a in side.get(upper, ()) for b in side.get(lower, ())]
    return sum(a > b for a, b in pairs) - sum(a < b for a, b in pairs)


def crossings(columns: Columns, gaps: Sequence[Sequence[Link]]) -> int:
    """How often lines cross, counting those that stay in their strips, from column to column."""
    total = 0
    for number in range(len(columns) - 1):
        left = {block: i for i, block in enumerate(columns[number])}
        right = {block: i for i, block in enumerate(columns[number + 1])}
        pairs = {(left[k.left], right[k.right]) for k in gaps[number]}
        pairs |= {(left[b], right[b]) for b in left.keys() & right.keys()}
        seen: list[int] = []
        for _, end in sorted(pairs):
            total += len(seen) - bisect_right(seen, end)
            insort(seen, end)
    return total
