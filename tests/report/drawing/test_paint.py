"""From a layout to marks: arrows, cards, double and dashed lines, labels clear of boxes."""

from __future__ import annotations

import itertools
import math
from pathlib import Path as File

import pytest
from conftest import BYOL, MOCO
from figures import BANK, apart, area, boxes, drawn, each_figure, figure_of, groups, lines, texts

from graphssl.report.drawing.frame import scene_of
from graphssl.report.drawing.scene import Path, Rect, Scene, Text
from graphssl.report.drawing.svg import write_svg
from graphssl.report.figure.figure import Box, Copy, End, Figure, Label, Wire
from graphssl.report.style import INK, PAPER, STOP, UPDATE


def texts_on_wires(scene: Scene) -> list[Text]:
    return [m for g in scene.groups[1:] if g.kind == "plain" for m in g.marks if isinstance(m, Text) and m.text]


def test_heads_point_into_their_boxes() -> None:
    some = scene_of(drawn("a b c", "a b", "b c a!", copies=(Copy("a", "c", "copy"),)))
    frames = boxes(some)
    for group in groups(some, "wire"):
        for head in (m for m in group.marks if isinstance(m, Path) and m.closed):
            (x, y), *base = head.points
            assert len(base) == 2
            middle = (sum(p[0] for p in base) / 2, sum(p[1] for p in base) / 2)
            ahead = (x + 0.2 * (x - middle[0]), y + 0.2 * (y - middle[1]))
            assert any(
                f[0] - 0.6 <= ahead[0] <= f[2] + 0.6 and f[1] - 0.6 <= ahead[1] <= f[3] + 0.6 for f in frames.values()
            )
            assert math.dist(base[0], base[1]) > 3


def test_lines_end_within_their_heads() -> None:
    """And do not stand out of the point."""
    some = scene_of(drawn("a b", "a b"))
    (group,) = groups(some, "wire")
    (line,) = lines(group)
    (head,) = [m for m in group.marks if isinstance(m, Path) and m.closed]
    tip = head.points[0][0]
    assert head.points[1][0] < line.points[-1][0] < tip


def test_the_write_of_a_stopped_value_is_not_marked_twice() -> None:
    boxes_ = (Box("a", "target", "a"), Box("b", "critic", "b"), Box("q", "negatives", "q"))
    ends = (End("b", ("key",)), End("q", ("key",), True, "push"))
    some = scene_of(Figure("t", "", boxes_, (Wire("a", Label("k"), ends, stop=True),)))
    bars = [m for g in some.groups[1:] for m in g.marks if isinstance(m, Path) and m.color == STOP]
    assert len(bars) == 2


def test_several_calls_are_a_stack_of_two_cards() -> None:
    some = scene_of(Figure("t", "", (Box("a", "head", "a", count=8), Box("b", "head", "b"))))
    cards = {g.facts["id"]: [area(m) for m in g.marks if isinstance(m, Rect)] for g in groups(some, "box")}
    assert [len(cards[b]) for b in "ab"] == [2, 1]
    back, front = cards["a"]
    assert (back[0] - front[0], back[1] - front[1]) == (pytest.approx(2.5), pytest.approx(2.5))


def test_text_on_the_loss_is_light() -> None:
    some = scene_of(Figure("t", "", (Box("loss", "loss", "loss"), Box("a", "head", "a"))))
    colors = {g.facts["id"]: {t.color for t in texts(g)} for g in groups(some, "box")}
    assert colors == {"loss": {PAPER}, "a": {INK}}


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


def test_updates_are_dashed_and_nothing_else_is(tmp_path: File) -> None:
    some = figure_of(tmp_path, MOCO, *BANK)
    scene = scene_of(some)
    lines = [m for g in scene.groups if g.kind == "wire" for m in g.marks if isinstance(m, Path) and not m.closed]
    assert {m.color for m in lines if m.dashed} == {UPDATE}
    assert UPDATE not in {m.color for m in lines if not m.dashed}
    writes = sum(e.update for w in some.wires for e in w.ends) + len(some.copies)
    assert writes == 4  # index and key into the bank, two nodes into the target
    assert sum(m.dashed for m in lines) == writes
    drawn = write_svg(scene)
    assert drawn.count("stroke-dasharray") == writes + 1  # and one in the legend


def test_families_are_double_lines(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL)
    for group, wire in zip([g for g in scene_of(some).groups if g.kind == "wire"], some.wires, strict=False):
        thick = {m.thick for m in group.marks if isinstance(m, Path) and m.color == "#333333" and not m.closed}
        assert thick == ({3.0} if wire.label.count > 1 else {1.0})
