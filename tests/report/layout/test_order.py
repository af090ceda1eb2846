"""The order of blocks in a column: few crossings, and long blocks on one side."""

from __future__ import annotations

import itertools
import random

import pytest
from figures import each_figure

from graphssl.report.figure.figure import Figure
from graphssl.report.layout.lines import Line, Link
from graphssl.report.layout.order import crossings, ordered
from graphssl.report.layout.plan import Plan


def between(*pairs: str) -> list[Link]:
    return [Link(Line(i, a, (b,), i), a, b, 0) for i, (a, b) in enumerate(p.split() for p in pairs)]


def links(*pairs: str) -> list[Link]:
    return [Link(Line(i, *p.split()[:1], (p.split()[1],), i), *p.split(), 0) for i, p in enumerate(pairs)]


@pytest.mark.parametrize("seed", range(8))
def test_crossings_are_those_of_the_definition(seed: int) -> None:
    r = random.Random(seed)
    left, right = [f"l{i}" for i in range(6)], [f"r{i}" for i in range(6)]
    pairs = r.sample([f"{a} {b}" for a in left for b in right], 12)
    r.shuffle(left)
    r.shuffle(right)
    ends = [(left.index(a), right.index(b)) for a, b in (p.split() for p in pairs)]
    expected = sum((a - c) * (b - d) < 0 for (a, b), (c, d) in itertools.combinations(ends, 2))
    assert crossings([left, right], [between(*pairs), []]) == expected


@pytest.mark.parametrize("seed", range(8))
def test_an_order_that_can_be_without_crossings_is(seed: int) -> None:
    r = random.Random(seed)
    pairs = [f"l{i} r{i}" for i in range(7)]
    blocks = [f"{side}{i}" for side in "lr" for i in range(7)]
    r.shuffle(blocks)
    spans = {b: (0, 0) if b[0] == "l" else (1, 1) for b in blocks}
    assert crossings(ordered(spans, between(*pairs)), [between(*pairs), []]) == 0


def test_an_order_holds_every_block_once_in_each_of_its_columns() -> None:
    spans = {"a": (0, 0), "long": (0, 2), "b": (1, 1), "c": (2, 2)}
    found = ordered(spans, [])
    assert [sorted(c) for c in found] == [["a", "long"], ["b", "long"], ["c", "long"]]
    assert ordered({}, []) == []


def test_crossings_are_counted() -> None:
    gaps = [links("a d", "b c"), []]
    assert crossings([["a", "b"], ["c", "d"]], gaps) == 1
    assert crossings([["a", "b"], ["d", "c"]], gaps) == 0
    assert crossings([["a", "b"], ["c", "d"]], [links("a c", "a d", "b d"), []]) == 0


def test_sweeps_find_the_order_without_crossings() -> None:
    spans = {"a": (0, 0), "b": (0, 0), "c": (0, 0), "f": (1, 1), "e": (1, 1), "d": (1, 1)}
    found = ordered(spans, links("a d", "b e", "c f", "a e"))
    assert crossings(found, [links("a d", "b e", "c f", "a e"), []]) == 0


def test_an_order_without_crossings_is_left_as_it_is() -> None:
    spans = {"a": (0, 0), "b": (0, 0), "c": (1, 1), "d": (1, 1)}
    assert ordered(spans, links("a c", "b c", "b d")) == [["a", "b"], ["c", "d"]]


@each_figure
def test_long_blocks_keep_their_side_in_all_columns(some: Figure) -> None:
    above: set[tuple[str, str]] = set()
    for column in Plan(some, spread=True).columns:
        above |= set(itertools.combinations(column, 2))
    assert not any((lower, upper) in above for upper, lower in above)
