"""How high blocks stand: apart, in order, and wires straight where they can be."""

from __future__ import annotations

import itertools
import random

import pytest

from graphssl.report.layout.rows import Extent, Pull, heights


@pytest.mark.parametrize("seed", range(6))
def test_blocks_of_a_column_keep_their_order_and_their_distance(seed: int) -> None:
    r = random.Random(seed)
    grid = [[f"{c}{i}" for i in range(r.randint(1, 5))] for c in "abcd"]
    extents = {b: Extent(r.uniform(1, 20), r.uniform(1, 20)) for column in grid for b in column}
    pulls = [Pull(r.choice(a), r.choice(b), r.uniform(-9, 9), r.uniform(-9, 9)) for a, b in itertools.pairwise(grid)]
    y = heights(grid, extents, pulls, 7.0)
    for upper, lower in (pair for column in grid for pair in itertools.pairwise(column)):
        assert y[lower] - extents[lower].up >= y[upper] + extents[upper].down + 7.0 - 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_wires_that_can_all_be_straight_are(seed: int) -> None:
    """A forest of wires between columns, none of which crosses another."""
    r = random.Random(seed)
    grid = [[f"{c}{i}" for i in range(4)] for c in "abc"]
    extents = {b: Extent(10, 10) for column in grid for b in column}
    pulls = [Pull(f"{a}{i}", f"{b}{i}", r.uniform(-5, 5)) for a, b in ("ab", "bc") for i in range(4)]
    y = heights(grid, extents, pulls, 30.0)
    for pull in pulls:
        assert y[pull.left] + pull.left_offset == pytest.approx(y[pull.right])


def test_wires_stay_straight_when_a_third_box_joins_them() -> None:
    y = heights([["a"], ["b"], ["c"]], dict.fromkeys("abc", Extent(10, 10)), [Pull("b", "c", 7.0), Pull("a", "c")], 5)
    assert y["b"] + 7.0 == pytest.approx(y["c"])
    assert y["a"] == pytest.approx(y["c"])


def test_no_columns_no_heights() -> None:
    assert heights([], {}, [], 5) == {}
    assert heights([["a"]], {"a": Extent(1, 1)}, [], 5) == {"a": 0.0}


def test_a_block_without_wires_stands_half_way() -> None:
    y = heights([["a", "b", "c"]], dict.fromkeys("abc", Extent(10, 10)), [], 0.0)
    assert [y[b] for b in "abc"] == [0.0, 20.0, 40.0]


def test_a_chain_is_straight_also_at_its_ports() -> None:
    columns, extents = [["a"], ["b"], ["c"]], dict.fromkeys("abc", Extent(10, 20))
    y = heights(columns, extents, [Pull("a", "b", 3, -4), Pull("b", "c")], 5)
    assert y["a"] + 3 == pytest.approx(y["b"] - 4)
    assert y["b"] == pytest.approx(y["c"])


def test_the_first_wire_is_straight_where_both_cannot_be() -> None:
    y = heights([["a"], ["b", "c"]], dict.fromkeys("abc", Extent(10, 10)), [Pull("a", "c"), Pull("a", "b")], 5)
    assert y["c"] == pytest.approx(y["a"])
    assert y["c"] - y["b"] == pytest.approx(25)


def test_a_lone_block_settles_as_near_as_it_can() -> None:
    columns = [["a"], ["b", "s"], ["c"]]
    y = heights(columns, dict.fromkeys("abcs", Extent(10, 10)), [Pull("a", "b"), Pull("b", "c"), Pull("s", "c")], 5)
    assert y["s"] - y["b"] == pytest.approx(25)
