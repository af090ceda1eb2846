"""Placing figures: boxes apart, wires around boxes and from left to right, labels clear of everything."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest

from graphssl.report.figure.figure import Box, Copy, End, Figure, Label, Wire
from graphssl.report.layout.columns import columns
from graphssl.report.layout.geometry import Frame
from graphssl.report.layout.layout import layout
from graphssl.report.layout.lines import Line, Link
from graphssl.report.layout.order import crossings, ordered
from graphssl.report.layout.plan import Plan, stacked
from graphssl.report.layout.rows import Extent, Pull, heights
from graphssl.report.paper.frame import scene_of
from graphssl.report.paper.scene import Path, Rect, Scene, Text
from graphssl.report.style import STACK
from graphssl.report.text import text_width

ROLES = ("data", "augment", "encoder", "head", "target", "negatives", "critic", "objective", "other")
AXES = ((), ((("b", "256"), ("d", "64")),), ((("b", "2"),), (("b", "2"), ("n", "1024"))))
Area = tuple[float, float, float, float]


def figure(boxes: str, *wires: str, copies: tuple[Copy, ...] = ()) -> Figure:
    """`figure("a b c", "a b", "a c!")`: boxes, wires from the first to the others, `!` for an update."""
    made = [Wire(s, Label("x"), tuple(_end(t) for t in ts)) for s, *ts in (w.split() for w in wires)]
    return Figure("test", "", tuple(Box(b, "head", b) for b in boxes.split()), tuple(made), copies)


def _end(text: str) -> End:
    return End(text.rstrip("!"), ("x",), text.endswith("!"), "write" if text.endswith("!") else "")


def random_figure(seed: int, size: int) -> Figure:
    """Wires from earlier to later boxes, some to several; writes to anywhere; one box that copies two others."""
    r = random.Random(seed)
    boxes = [
        Box(f"b{i}", r.choice(ROLES), f"node{i}", ("some line",) * r.randint(0, 4), r.choice([1, 1, 2, 8]))
        for i in range(size)
    ]
    wires = []
    for i, _ in itertools.product(range(size - 1), range(2)):
        goals = sorted(r.sample(range(i + 1, size), min(size - i - 1, r.choice([0, 1, 1, 1, 2, 3]))))
        ends = [End(f"b{j}", ("x",), False, r.choice(["", "", "term"])) for j in goals]
        ends += [End(f"b{r.randrange(size)}", ("y",), True, "push")] * (r.random() < 0.15)
        label = Label(r.choice(["", "x", "a_long_value"]), r.choice([1, 2]), r.choice(AXES))
        wires.append(Wire(f"b{i}", label, tuple(ends), r.random() < 0.2))
    copier = f"b{size // 2}"
    copies = dict.fromkeys(Copy(f"b{r.randrange(size)}", copier, "follow") for _ in range(2))
    return Figure(f"seed {seed}", "", tuple(boxes), tuple(wires), tuple(c for c in copies if c.source != copier))


FIGURES = [random_figure(seed, size) for seed, size in enumerate([2, 3, 5, 8, 8, 12, 12, 12, 16, 16, 24, 40])]
each_figure = pytest.mark.parametrize("some", FIGURES, ids=lambda f: f.title)


def apart(one: Area, other: Area) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def area(frame: Frame | Rect) -> Area:
    return frame.x, frame.y, frame.x + frame.width, frame.y + frame.height


def samples(path: Path) -> Iterator[tuple[float, float]]:
    """Points all along a path."""
    start = path.points[0]
    for piece in path.pieces():
        corners = (start, *piece) if len(piece) == 3 else (start, start, *piece, *piece)
        for t in (i / 40 for i in range(41)):
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            yield tuple(sum(w * c[k] for w, c in zip(weights, corners, strict=True)) for k in (0, 1))  # type: ignore[misc]
        start = piece[-1]


def texts_on_wires(scene: Scene) -> list[Text]:
    return [m for g in scene.groups[1:] if g.kind == "plain" for m in g.marks if isinstance(m, Text) and m.text]


# -- columns -------------------------------------------------------------------------------------------------------


def test_a_box_stands_behind_all_that_it_takes() -> None:
    spans = columns(figure("a b c d", "a b d", "b c", "c d"))
    assert spans == {"a": (0, 0), "b": (1, 1), "c": (2, 2), "d": (3, 3)}


def test_a_box_without_inputs_stands_next_to_what_takes_it() -> None:
    spans = columns(figure("a b c queue d", "a b", "b c", "c d", "queue d"))
    assert spans["queue"] == spans["c"]


def test_a_write_goes_from_left_to_right_unless_that_closes_a_circle() -> None:
    spans = columns(figure("a b queue d", "a b d queue!", "queue d", "b d"))
    assert spans["a"] < spans["queue"] < spans["d"]
    spans = columns(figure("a bank d", "a bank", "bank d", "d bank!"))
    assert spans == {"a": (0, 0), "bank": (1, 1), "d": (2, 2)}


def test_a_copy_stands_below_the_row_that_it_copies() -> None:
    copies = (Copy("e", "t", "follow"), Copy("p", "t", "follow"))
    some = figure("x e p q t c", "x e t", "e p", "p q", "q c", "t c", copies=copies)
    assert columns(some)["t"] == (1, 2)
    assert columns(some, spread=False)["t"] == (1, 1)


def test_who_reads_a_copy_comes_after_its_row() -> None:
    copies = (Copy("e", "t", "follow"), Copy("p", "t", "follow"))
    spans = columns(figure("x e p t queue c", "x e t", "e p", "p c", "t c queue!", "queue c", copies=copies))
    assert spans["t"] == (1, 2)
    assert spans["queue"] == (3, 3)


# -- order ---------------------------------------------------------------------------------------------------------


def links(*pairs: str) -> list[Link]:
    return [Link(Line(i, *p.split()[:1], (p.split()[1],), i), *p.split(), 0) for i, p in enumerate(pairs)]


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


# -- heights -------------------------------------------------------------------------------------------------------


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


def test_ports_are_as_far_apart_as_their_labels() -> None:
    assert stacked([Extent(5, 20), Extent(10, 5), Extent(1, 1)], 0) == [0, 30, 36]
    assert stacked([Extent(5, 20), Extent(10, 5), Extent(1, 1)], 1) == [-30, 0, 6]


# -- everything in its place ---------------------------------------------------------------------------------------


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
def test_everything_lies_inside_the_canvas(some: Figure) -> None:
    scene = scene_of(some)
    for mark in (m for g in scene.groups for m in g.marks):
        match mark:
            case Rect():
                x0, y0, x1, y1 = area(mark)
            case Text():
                x0, y0, x1, y1 = mark.bounds()
            case Path():
                xs, ys = zip(*mark.points, strict=True)
                x0, y0, x1, y1 = min(xs), min(ys), max(xs), max(ys)
        assert x0 >= 0, mark
        assert y0 >= 0, mark
        assert x1 <= scene.width, mark
        assert y1 <= scene.height, mark


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
    drawn = {(s.line.wire, s.target) for s in placed.strokes if s.line and not s.line.back}
    back = {(s.line.wire, s.source) for s in placed.strokes if s.line and s.line.back}
    assert drawn | back >= {(i, e.box) for i, w in enumerate(some.wires) for e in w.ends if e.box != w.source}


@each_figure
def test_no_line_runs_through_a_box(some: Figure) -> None:
    placed = layout(some)
    for stroke in placed.strokes:
        for x, y in samples(Path(stroke.points, "", curved=stroke.curved)):
            for name, frame in placed.frames.items():
                inside = frame.x + 0.1 < x < frame.right - 0.1 and frame.y + 0.1 < y < frame.bottom - 0.1
                assert not inside, f"{stroke.source} -> {stroke.target} through {name}"


@each_figure
def test_labels_keep_clear_of_boxes_and_of_each_other(some: Figure) -> None:
    scene = scene_of(some)
    boxes = [area(m) for g in scene.groups if g.kind == "box" for m in g.marks if isinstance(m, Rect)]
    texts = [t.bounds() for t in texts_on_wires(scene)]
    assert texts or not any(w.label.title for w in some.wires)
    for text in texts:
        assert all(apart(text, box) for box in boxes)
    # The lines of one label touch each other: letters have less height than the font's whole.
    less = [(x0, y0 + 1.2, x1, y1 - 1.2) for x0, y0, x1, y1 in texts]
    assert all(apart(one, other) for one, other in itertools.combinations(less, 2))


@each_figure
def test_no_line_runs_through_a_label(some: Figure) -> None:
    placed = layout(some)
    # An arrow that goes around boxes may touch a label; a wire runs below its own name.
    lines = [(s.line, list(samples(Path(s.points, "", curved=s.curved)))) for s in placed.strokes if s.line is not None]
    for tag in placed.tags:
        left, top, right, bottom = tag.x + 0.5, tag.y - 9.0, tag.x + tag.width - 0.5, tag.y - 4.0
        for line, points in lines:
            if tag.line is None or line.port != tag.line.port:
                assert not any(left < x < right and top < y < bottom for x, y in points), (tag, line)


def test_text_fits_its_box() -> None:
    box = Box("a", "head", "A name, quite wide: WWWW", ("hidden 256, out 64",), 12)
    scene = scene_of(Figure("t", "", (box,)))
    (group,) = [g for g in scene.groups if g.kind == "box"]
    frame = area(next(m for m in group.marks if isinstance(m, Rect)))
    for text in (m for m in group.marks if isinstance(m, Text)):
        x0, y0, x1, y1 = text.bounds()
        assert frame[0] <= x0, text
        assert x1 <= frame[2], text
        assert frame[1] <= y0, text
        assert y1 <= frame[3], text


def test_text_is_measured_in_its_face() -> None:
    assert text_width("mm", 10) == pytest.approx(2 * text_width("m", 10))
    assert text_width("m", 20) == pytest.approx(2 * text_width("m", 10))
    assert text_width("name", 10, "bold") > text_width("name", 10)
    assert 5 < text_width("m", 10) < 12
    assert text_width("", 10) == 0
    assert text_width("漢", 10) >= 10
    assert text_width("e\u0301", 10) == text_width("e", 10)


# -- odd figures ---------------------------------------------------------------------------------------------------


def test_a_single_box_is_a_picture() -> None:
    scene = scene_of(Figure("one", "", (Box("a", "head", "a"),)))
    assert 20 < scene.width < 200
    assert 20 < scene.height < 200


def test_a_write_back_has_its_arrow_on_the_left() -> None:
    some = figure("a bank d", "a bank", "bank d", "d bank!")
    placed = layout(some)
    (stroke,) = [s for s in placed.strokes if s.line is not None and s.line.back]
    assert stroke.points[0][0] == pytest.approx(placed.frames["bank"].right)
    assert stroke.points[-1][0] == pytest.approx(placed.frames["d"].x)
    (tag,) = [t for t in placed.tags if t.text]
    assert tag.text == "write"
    assert placed.frames["bank"].right < tag.x


def test_a_write_by_the_box_itself_goes_nowhere_else() -> None:
    placed = layout(figure("a b", "a b", "b b!"))
    assert set(placed.frames) == {"a", "b"}


def test_copies_of_boxes_one_below_the_other_go_around() -> None:
    copies = (Copy("a", "t", "follow"), Copy("b", "t", "follow"))
    some = figure("x a b t c", "x a b t", "a c", "b c", "t c", copies=copies)
    placed = layout(some)
    drawn = [s for s in placed.strokes if s.copy is not None]
    assert sorted(len(s.points) for s in drawn) == [2, 6]
    for stroke in drawn:
        assert stroke.points[0][1] == pytest.approx(placed.frames[stroke.source].bottom)
        assert stroke.points[-1][1] == pytest.approx(placed.frames["t"].y)


def test_a_box_of_several_columns_is_short_where_a_wire_must_cross_it() -> None:
    copies = (Copy("e", "t", "follow"), Copy("p", "t", "follow"))
    wires = ["x e t", "e p", "p c", "t c", "x low", "low p", "y e", "y p2", "p2 c"]
    for some in (figure("x y e p t low p2 c", *wires, copies=copies), *FIGURES):
        plan = Plan(some, spread=True)
        if plan.pierced():
            assert not Plan(some, spread=False).pierced()


def test_a_long_wire_branches_off_one_strip() -> None:
    names = [f"n{i}" for i in range(30)]
    some = figure(" ".join(names), f"n0 {' '.join(names[1:])}", *(f"n{i} n{i + 1}" for i in range(1, 29)))
    plan = Plan(some, spread=True)
    assert sum(b.startswith("~") for column in plan.columns for b in set(column)) == 28
    heights = {round(y, 3) for s in layout(some).strokes if s.source == "n0" for _, y in s.points[2:-2]}
    assert len(heights) == 1


def test_three_hundred_boxes_in_a_row_are_one_straight_line() -> None:
    names = [f"n{i}" for i in range(300)]
    some = figure(" ".join(names), *(f"n{i} n{i + 1}" for i in range(299)))
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
        Plan(figure(" ".join(names), *(f"n{i} n{i + 1}" for i in range(size - 1))), spread=True)
        steps[size] = next(count)
        monkeypatch.undo()
    assert steps[400] < 5 * steps[100]
