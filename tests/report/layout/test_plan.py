"""Ports, their order and their room; boxes that lines would have to cross; large figures."""

from __future__ import annotations

import itertools

import pytest
from figures import FIGURES, drawn

from graphssl.report.figure.figure import Copy
from graphssl.report.layout.layout import layout
from graphssl.report.layout.plan import INSIDE, Plan, stacked
from graphssl.report.layout.rows import Extent
from graphssl.report.layout.sizes import (
    box_size,
)


@pytest.mark.parametrize("main", [0, 1, 2])
def test_ports_have_room_for_their_labels_and_the_main_one_is_straight(main: int) -> None:
    extents = [Extent(4, 6), Extent(10, 20), Extent(3, 1)]
    offsets = stacked(extents, main)
    assert offsets[main] == 0
    for (a, b), (upper, lower) in zip(itertools.pairwise(offsets), itertools.pairwise(extents), strict=True):
        assert b - a == upper.down + lower.up


def test_a_box_is_as_high_as_its_ports_need() -> None:
    names = [f"n{i}" for i in range(9)]
    some = drawn("a " + " ".join(names), *(f"a {n}" for n in names))
    plan = Plan(some, spread=True)
    reach, ports = plan.reach("a"), plan.ports["a"]
    assert len(ports) == 9
    assert reach.up >= INSIDE - min(ports)
    assert reach.down >= INSIDE + max(ports)
    assert layout(some).frames["a"].height > 3 * box_size(some.boxes[0])[1]


def test_ports_are_in_the_order_of_what_they_lead_to() -> None:
    plan = Plan(drawn("a b c d", "a b", "a c", "a d"), spread=True)
    order = sorted(("b", "c", "d"), key=plan.columns[1].index)
    targets = {f"wire {line.wire}": line.targets[0] for line in plan.lines}
    offsets = {targets[port]: offset for (_, port), offset in plan.right.items()}
    assert sorted(offsets, key=offsets.__getitem__) == order


def test_the_wire_that_comes_first_is_straight_though_another_comes_in_above_it() -> None:
    plan = Plan(drawn("a b c", "b c", "a c"), spread=True)
    assert plan.columns[0] == ["a", "b"]
    first, second = plan.lines
    assert plan.left["c", first.id] == 0
    assert plan.left["c", second.id] < 0
    assert plan.y["b"] == pytest.approx(plan.y["c"])


def test_ports_are_as_far_apart_as_their_labels() -> None:
    assert stacked([Extent(5, 20), Extent(10, 5), Extent(1, 1)], 0) == [0, 30, 36]
    assert stacked([Extent(5, 20), Extent(10, 5), Extent(1, 1)], 1) == [-30, 0, 6]


def test_a_box_of_several_columns_is_short_where_a_wire_must_cross_it() -> None:
    copies = (Copy("e", "t", "follow"), Copy("p", "t", "follow"))
    wires = ["x e t", "e p", "p c", "t c", "x low", "low p", "y e", "y p2", "p2 c"]
    for some in (drawn("x y e p t low p2 c", *wires, copies=copies), *FIGURES):
        plan = Plan(some, spread=True)
        if plan.pierced():
            assert not Plan(some, spread=False).pierced()


def test_a_long_wire_branches_off_one_strip() -> None:
    names = [f"n{i}" for i in range(30)]
    some = drawn(" ".join(names), f"n0 {' '.join(names[1:])}", *(f"n{i} n{i + 1}" for i in range(1, 29)))
    plan = Plan(some, spread=True)
    assert sum(b.startswith("~") for column in plan.columns for b in set(column)) == 28
    heights = {round(y, 3) for s in layout(some).strokes if s.source == "n0" for _, y in s.points[2:-2]}
    assert len(heights) == 1


def test_three_hundred_boxes_in_a_row_are_one_straight_line() -> None:
    names = [f"n{i}" for i in range(300)]
    some = drawn(" ".join(names), *(f"n{i} n{i + 1}" for i in range(299)))
    plan = Plan(some, spread=True)
    assert [len(column) for column in plan.columns] == [1] * 300
    assert len(set(plan.y.values())) == 1


def test_the_layout_grows_with_the_boxes_not_with_their_square(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphssl.report.layout import rows

    steps = {}
    for size in (100, 400):
        count = itertools.count()
        whole = rows._Bodies._under
        monkeypatch.setattr(rows._Bodies, "_under", lambda self, body, w=whole, c=count: (next(c), w(self, body))[1])
        names = [f"n{i}" for i in range(size)]
        Plan(drawn(" ".join(names), *(f"n{i} n{i + 1}" for i in range(size - 1))), spread=True)
        steps[size] = next(count)
        monkeypatch.undo()
    assert steps[400] < 5 * steps[100]
