"""The steps of a layout by themselves: lines, columns, order, ports, heights, room for text."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from figures import drawn

from graphssl.report.figure.figure import Box, Copy, End, Figure, Label, Wire
from graphssl.report.layout.columns import columns
from graphssl.report.layout.geometry import Frame
from graphssl.report.layout.layout import AIR, AROUND, layout
from graphssl.report.layout.lines import Line, Link, lines_of, links_of, overlap, strips
from graphssl.report.layout.order import crossings, ordered
from graphssl.report.layout.plan import INSIDE, Plan, stacked
from graphssl.report.layout.rows import Extent, Pull, heights
from graphssl.report.layout.sizes import (
    BAR,
    DROP,
    MARK,
    NEAR,
    RISE,
    ROW,
    box_size,
    column_width,
    has_axes,
    label_size,
    times_width,
)
from graphssl.report.style import BETWEEN, HEAD, LEADING, LETTER_GAP, NAME, PADDING, SMALL, TENSOR_GAP
from graphssl.report.text import text_width

AXES = ((("b", "16"), ("d", "128")),)
FOLLOW = (Copy("e", "t", "follow"), Copy("p", "t", "follow"))


# -- columns -----------------------------------------------------------------------------------------------------


def test_every_wire_goes_to_a_later_column() -> None:
    some = drawn("a b c d e f", "a c e", "b c", "c d f", "d f", "e f")
    spans = columns(some)
    for wire in some.wires:
        assert all(spans[wire.source][1] < spans[end.box][0] for end in wire.ends)


def test_columns_begin_at_zero_and_leave_none_out() -> None:
    for wires in (("a b", "b c"), ("a c", "b c"), (), ("c a", "c b")):
        used = {at for first, last in columns(drawn("a b c", *wires)).values() for at in range(first, last + 1)}
        assert used == set(range(len(used)))


def test_boxes_without_wires_stand_below_each_other() -> None:
    assert set(columns(drawn("a b c")).values()) == {(0, 0)}


def test_what_feeds_many_stands_as_far_left_as_it_must() -> None:
    """A box with more wires out than in is drawn towards those that take it."""
    assert columns(drawn("a b c d late", "a b", "b c", "c d", "late d"))["late"] == (2, 2)
    assert columns(drawn("a b c d early", "a b early", "b c", "c d", "early d"))["early"] == (1, 1)


def test_a_write_to_oneself_or_in_a_circle_moves_nothing() -> None:
    plain = columns(drawn("a b c", "a b", "b c"))
    assert columns(drawn("a b c", "a b", "b c b!")) == plain
    assert columns(drawn("a b c", "a b", "b c", "c a!")) == plain


def test_a_copy_is_as_long_as_its_sources_and_no_longer() -> None:
    some = drawn("x e p q t c", "x e t", "e p", "p q", "q c", "t c", copies=FOLLOW)
    spans = columns(some)
    assert spans["t"] == (spans["e"][0], spans["p"][1])
    assert columns(some, spread=False)["t"][0] == columns(some, spread=False)["t"][1]


def test_a_copy_of_one_node_is_as_long_as_that_node() -> None:
    spans = columns(drawn("x e p t c", "x e t", "e p", "p c", "t c", copies=FOLLOW[:1]))
    assert spans["t"] == spans["e"]


def test_copies_without_a_row_in_common() -> None:
    """The target takes what its sources give: it cannot stand below them."""
    spans = columns(drawn("x e p t", "x e", "e p", "p t", copies=FOLLOW))
    assert spans["t"][0] > spans["p"][1]


# -- lines -------------------------------------------------------------------------------------------------------


def test_a_wire_is_one_line_to_all_that_read_it() -> None:
    some = drawn("a b c d", "a b c d", "b c", "c d")
    found = lines_of(some, columns(some))
    assert [(k.source, k.targets, k.update, k.back) for k in found] == [
        ("a", ("b", "c", "d"), False, False), ("b", ("c",), False, False), ("c", ("d",), False, False),
    ]  # fmt: skip
    assert [k.id for k in found] == [0, 1, 2]


def test_reads_and_writes_of_a_value_are_two_lines_from_one_port() -> None:
    some = drawn("a b queue", "a b queue!", "b queue")
    read, write = [k for k in lines_of(some, columns(some)) if k.source == "a"]
    assert (read.update, write.update) == (False, True)
    assert read.port == write.port
    assert write.texts == {"queue": "write"}


def test_a_write_to_the_left_is_a_line_back() -> None:
    some = drawn("a bank d", "a bank", "bank d", "d bank!")
    (back,) = [k for k in lines_of(some, columns(some)) if k.back]
    assert (back.source, back.targets, back.update, back.texts) == ("bank", ("d",), True, {"bank": "write"})
    assert back.port == f"line {back.id}"


def test_a_value_that_nobody_reads_is_a_line_to_nowhere() -> None:
    some = drawn("a b", "a b", "b")
    assert [k.targets for k in lines_of(some, columns(some))] == [("b",), ()]
    (stub,) = [s for s in layout(some).strokes if s.target is None]
    assert len(stub.points) == 2
    assert stub.points[0][1] == stub.points[1][1]
    assert stub.points[1][0] > stub.points[0][0] + 10


def test_ids_of_lines_are_their_own() -> None:
    some = drawn(
        "a b c d", "a b d!", "b c a!", "c d b! a!", "d", copies=(Copy("d", "a", "copy"), Copy("a", "d", "copy"))
    )
    ids = [k.id for k in lines_of(some, columns(some))]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [((0, 0), (0, 0), True), ((0, 1), (1, 2), True), ((0, 3), (1, 2), True), ((0, 0), (1, 1), False)],
)
def test_overlap(one: tuple[int, int], other: tuple[int, int], shared: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is shared


def test_only_long_lines_have_strips() -> None:
    some = drawn("a b c d", "a b d", "b c", "c d")
    spans = columns(some)
    found = lines_of(some, spans)
    assert strips(found, spans) == {"~0": (1, 2)}
    steps = [(k.left, k.right, k.gap) for k in links_of(found, spans)]
    assert steps == [("a", "b", 0), ("~0", "d", 2), ("a", "~0", 0), ("b", "c", 1), ("c", "d", 2)]


def test_copies_that_stand_apart_run_like_wires() -> None:
    some = drawn("x e p t", "x e", "e p", "p t", copies=FOLLOW[:1])
    (line,) = [k for k in lines_of(some, columns(some)) if k.wire is None]
    assert (line.source, line.targets, line.update, line.texts) == ("e", ("t",), True, {"t": "follow"})
    stroke = next(s for s in layout(some).strokes if s.line and s.line.wire is None)
    assert stroke.target == "t"


# -- order -------------------------------------------------------------------------------------------------------


def between(*pairs: str) -> list[Link]:
    return [Link(Line(i, a, (b,), i), a, b, 0) for i, (a, b) in enumerate(p.split() for p in pairs)]


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


# -- ports -------------------------------------------------------------------------------------------------------


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


# -- heights -----------------------------------------------------------------------------------------------------


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


# -- room --------------------------------------------------------------------------------------------------------


def test_a_box_has_room_for_its_widest_line() -> None:
    wide = "the widest of all the lines"
    width, height = box_size(Box("a", "head", "name", ("short", wide)))
    assert width == pytest.approx(text_width(wide, SMALL) + 2 * PADDING)
    assert height == pytest.approx(NAME + 2 * LEADING + 11)
    assert box_size(Box("a", "head", wide))[0] == pytest.approx(text_width(wide, NAME, "bold") + 2 * PADDING)
    more = box_size(Box("a", "head", wide, count=14))[0] - box_size(Box("a", "head", wide))[0]
    assert (
        more
        == pytest.approx(text_width(" \u00d714", SMALL))
        == pytest.approx(times_width(Box("a", "head", "x", count=14)))
    )


def test_a_join_is_a_bar() -> None:
    assert box_size(Box("views.all", "join", "a long name that nobody sees", ("x",) * 9))[0] == BAR


def test_labels_have_room_for_name_axes_and_mark() -> None:
    name = text_width("embedding \u00d72", SMALL, "italic")
    axes = sum(column_width(pair) for pair in AXES[0]) + LETTER_GAP
    assert label_size(Label("embedding", 2), False).width == pytest.approx(name)
    assert label_size(Label("embedding", 2), True).width == pytest.approx(name + MARK)
    assert label_size(Label("", 1, AXES), False).width == pytest.approx(axes)
    assert label_size(Label("", 1, (*AXES, *AXES)), False).width == pytest.approx(2 * axes + TENSOR_GAP)
    assert label_size(Label(), True).width == pytest.approx(max(MARK, text_width("stop-grad", SMALL)))
    assert column_width(("d", "128")) == text_width("128", SMALL)


def test_labels_reach_as_far_as_they_are_written() -> None:
    bare, named = label_size(Label(), False).extent, label_size(Label("x"), False).extent
    assert (bare.up, bare.down) == (NEAR, NEAR)
    assert (named.up, named.down) == (RISE + SMALL, NEAR)
    below = label_size(Label("x", 1, AXES), False).extent.down
    assert below == pytest.approx(DROP + ROW + 2)
    assert label_size(Label("x", 1, AXES), True).extent.down == pytest.approx(below + ROW)
    assert has_axes(Label("x", 1, ((), AXES[0])))
    assert not has_axes(Label("x", 1, ((), ())))


# -- places ------------------------------------------------------------------------------------------------------


def test_columns_are_as_wide_as_their_labels_need() -> None:
    short, long = drawn("a b", "a b"), Figure(
        "t", "", (Box("a", "head", "a"), Box("b", "head", "b")), (Wire("a", Label("a very long name of a value"), (End("b"),)),)
    )  # fmt: skip
    gaps = []
    for some in (short, long):
        frames = layout(some).frames
        gaps.append(frames["b"].x - frames["a"].right)
    assert gaps[1] - gaps[0] > 60
    assert gaps[1] > text_width("a very long name of a value", SMALL, "italic") + 2 * AIR + HEAD


def test_a_row_of_equal_boxes_is_straight() -> None:
    placed = layout(drawn("a b c d", "a b", "b c", "c d"))
    assert len({round(f.y + f.height / 2, 6) for f in placed.frames.values()}) == 1
    for stroke in placed.strokes:
        assert len({y for _, y in stroke.points}) == 1


def test_boxes_below_each_other_are_apart() -> None:
    frames = list(layout(drawn("a b c d", "a d", "b d", "c d")).frames.values())[:3]
    frames.sort(key=lambda f: f.y)
    assert all(b.y - a.bottom >= BETWEEN - 1e-9 for a, b in itertools.pairwise(frames))


def test_a_long_box_covers_all_its_columns() -> None:
    frames = layout(drawn("x e p q t c", "x e t", "e p", "p q", "q c", "t c", copies=FOLLOW)).frames
    assert frames["t"].x <= frames["e"].x
    assert frames["t"].right >= frames["p"].right
    assert frames["t"].y > frames["e"].bottom or frames["t"].bottom < frames["e"].y


def test_a_long_box_needs_no_room_where_its_columns_have_enough() -> None:
    e, p, t = "an_encoder_of_images", "p", "a_target_of_both_of_them"
    copies = (Copy(e, t, "follow"), Copy(p, t, "follow"))
    some = drawn(f"x {t} {e} {p} c", f"x {t} {e}", f"{e} {p}", f"{p} c", f"{t} c", copies=copies)
    frames = layout(some).frames
    assert columns(some)[t] == (1, 2)
    for name in (e, p):
        assert frames[name].width == pytest.approx(box_size(some.by_id[name])[0])
    assert frames[t].width > box_size(some.by_id[t])[0]


def test_frames_know_their_edges() -> None:
    frame = Frame(1.0, 2.0, 10.0, 20.0)
    assert (frame.right, frame.bottom, frame.middle) == (11.0, 22.0, 6.0)


def test_copies_go_straight_down_where_nothing_is_between() -> None:
    placed = layout(drawn("x e p t c", "x e t", "e p", "p c", "t c", copies=FOLLOW))
    for stroke in (s for s in placed.strokes if s.copy):
        (x0, y0), (x1, y1) = stroke.points
        assert x0 == x1
        source, target = placed.frames[stroke.source], placed.frames["t"]
        assert source.x < x0 < source.right
        assert {y0, y1} <= {source.y, source.bottom, target.y, target.bottom}


def test_a_copy_that_goes_around_keeps_clear_of_what_is_between() -> None:
    copies = (Copy("a", "t", "follow"), Copy("b", "t", "follow"))
    placed = layout(drawn("x a b t c", "x a b t", "a c", "b c", "t c", copies=copies))
    (around,) = [s for s in placed.strokes if s.copy and len(s.points) == 6]
    between = placed.frames["b" if around.source == "a" else "a"]
    assert all(x <= between.x for x, y in around.points[2:4])
    assert around.points[0][0] == pytest.approx(placed.frames[around.source].x + AROUND)


def test_a_curve_is_never_wider_than_its_zone() -> None:
    wide = Figure(
        "t", "", tuple(Box(b, "head", b, ("line",) * 6) for b in "abcde"),
        (Wire("a", Label("x"), tuple(End(b) for b in "bcde")),),
    )  # fmt: skip
    climbs = {}
    for stroke in layout(wide).strokes:
        (x0, y0), (x1, y1) = next(
            (p, q) for (p, q), bent in zip(itertools.pairwise(stroke.points), stroke.curved, strict=True) if bent
        ) if any(stroke.curved) else (stroke.points[0], stroke.points[-1])  # fmt: skip
        climbs[stroke.target] = (abs(y1 - y0), x1 - x0)
    assert max(dy for dy, _ in climbs.values()) > 100
    assert all(dx <= 32.0 + 1e-9 for dy, dx in climbs.values() if dy > 1)


def test_coordinates_are_finite() -> None:
    for wires in (("a b", "b a!"), ("a b c!", "b c", "c a!")):
        for stroke in layout(drawn("a b c", *wires)).strokes:
            assert all(math.isfinite(v) for point in stroke.points for v in point)
