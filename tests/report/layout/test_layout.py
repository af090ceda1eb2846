"""Everything in its place: boxes apart, wires around boxes and from left to right, labels clear of lines."""

from __future__ import annotations

import itertools
import math

import pytest
from figures import along, apart, area, drawn, each_figure

from graphssl.report.drawing.scene import Path
from graphssl.report.figure.figure import Box, Copy, End, Figure, Label, Wire
from graphssl.report.layout.columns import columns
from graphssl.report.layout.layout import AIR, AROUND, layout
from graphssl.report.layout.lines import Line, Link
from graphssl.report.layout.sizes import (
    box_size,
)
from graphssl.report.style import BETWEEN, HEAD, SMALL, STACK
from graphssl.report.text import text_width

FOLLOW = (Copy("e", "t", "follow"), Copy("p", "t", "follow"))


def between(*pairs: str) -> list[Link]:
    return [Link(Line(i, a, (b,), i), a, b, 0) for i, (a, b) in enumerate(p.split() for p in pairs)]


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


@each_figure
def test_boxes_do_not_overlap(some: Figure) -> None:
    placed = layout(some)
    count = {box.id: box.count for box in some.boxes}
    areas = []
    for name, frame in placed.frames.items():
        x0, y0, x1, y1 = area(frame)
        card = STACK * (count[name] > 1)
        areas.append((x0, y0, x1 + card, y1 + card))
    assert len(areas) == len(some.boxes)
    assert all(apart(one, other) for one, other in itertools.combinations(areas, 2))


@each_figure
def test_wires_go_from_left_to_right_from_box_to_box(some: Figure) -> None:
    placed = layout(some)
    for stroke in placed.strokes:
        if stroke.line is None:
            continue
        xs = [x for x, _ in stroke.points]
        assert xs == sorted(xs)
        if stroke.target is not None:
            assert xs[-1] == pytest.approx(placed.frames[stroke.target].x)
            y = stroke.points[-1][1]
            assert placed.frames[stroke.target].y < y < placed.frames[stroke.target].bottom
    found = {(s.line.wire, s.target) for s in placed.strokes if s.line and not s.line.back}
    back = {(s.line.wire, s.source) for s in placed.strokes if s.line and s.line.back}
    assert found | back >= {(i, e.box) for i, w in enumerate(some.wires) for e in w.ends if e.box != w.source}


@each_figure
def test_no_line_runs_through_a_box(some: Figure) -> None:
    placed = layout(some)
    for stroke in placed.strokes:
        for x, y in along(Path(stroke.points, "", curved=stroke.curved)):
            for name, frame in placed.frames.items():
                inside = frame.x + 0.1 < x < frame.right - 0.1 and frame.y + 0.1 < y < frame.bottom - 0.1
                assert not inside, f"{stroke.source} -> {stroke.target} through {name}"


@each_figure
def test_no_line_runs_through_a_label(some: Figure) -> None:
    placed = layout(some)
    # An arrow that goes around boxes may touch a label; a wire runs below its own name.
    lines = [(s.line, list(along(Path(s.points, "", curved=s.curved)))) for s in placed.strokes if s.line is not None]
    for tag in placed.tags:
        left, top, right, bottom = tag.x + 0.5, tag.y - 9.0, tag.x + tag.width - 0.5, tag.y - 4.0
        for line, points in lines:
            if tag.line is None or line.port != tag.line.port:
                assert not any(left < x < right and top < y < bottom for x, y in points), (tag, line)


def test_a_write_back_has_its_arrow_on_the_left() -> None:
    some = drawn("a bank d", "a bank", "bank d", "d bank!")
    placed = layout(some)
    (stroke,) = [s for s in placed.strokes if s.line is not None and s.line.back]
    assert stroke.points[0][0] == pytest.approx(placed.frames["bank"].right)
    assert stroke.points[-1][0] == pytest.approx(placed.frames["d"].x)
    (tag,) = [t for t in placed.tags if t.text]
    assert tag.text == "write"
    assert placed.frames["bank"].right < tag.x


def test_a_write_by_the_box_itself_goes_nowhere_else() -> None:
    placed = layout(drawn("a b", "a b", "b b!"))
    assert set(placed.frames) == {"a", "b"}


def test_copies_of_boxes_one_below_the_other_go_around() -> None:
    copies = (Copy("a", "t", "follow"), Copy("b", "t", "follow"))
    some = drawn("x a b t c", "x a b t", "a c", "b c", "t c", copies=copies)
    placed = layout(some)
    around = [s for s in placed.strokes if s.copy is not None]
    assert sorted(len(s.points) for s in around) == [2, 6]
    for stroke in around:
        assert stroke.points[0][1] == pytest.approx(placed.frames[stroke.source].bottom)
        assert stroke.points[-1][1] == pytest.approx(placed.frames["t"].y)
