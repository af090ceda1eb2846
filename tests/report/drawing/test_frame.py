"""Title and legend, and a canvas that holds everything."""

from __future__ import annotations

import itertools
from pathlib import Path as File

import pytest
from conftest import MOCO
from figures import area, boxes, each_figure, figure_of, texts

from graphssl.report.drawing.frame import scene_of
from graphssl.report.drawing.scene import Path, Rect, Text
from graphssl.report.drawing.svg import write_svg
from graphssl.report.figure.figure import Box, Copy, End, Figure, Label, Wire
from graphssl.report.style import MARGIN, ROLES


def legend(figure: Figure) -> list[str]:
    """The words of the legend; the first two texts are the title and what stands beside it."""
    return [t.text for t in texts(scene_of(figure).groups[0])][2:]


def test_the_title_stands_above_everything() -> None:
    some = scene_of(Figure("a title", "and more", (Box("a", "head", "a"),)))
    title, more = texts(some.groups[0])[:2]
    assert (title.text, more.text) == ("a title", "and more")
    assert title.bounds()[2] < more.bounds()[0]
    assert title.x == MARGIN
    assert all(f[1] > title.bounds()[3] for f in boxes(some).values())


@pytest.mark.parametrize("role", [r for r in ROLES if ROLES[r].title])
def test_the_legend_explains_the_sections_that_there_are(role: str) -> None:
    assert legend(Figure("t", "", (Box("a", role, "a"),))) == [ROLES[role].title]


def test_a_join_needs_no_explanation() -> None:
    assert legend(Figure("t", "", (Box("a", "join", ""), Box("b", "head", "b")))) == ["head"]


def test_the_legend_explains_the_lines_that_there_are() -> None:
    a, b = Box("a", "head", "a"), Box("b", "head", "b")
    assert legend(Figure("t", "", (a, b), (Wire("a", Label("x"), (End("b"),)),))) == ["head"]
    assert legend(Figure("t", "", (a, b), (Wire("a", Label("x", 2), (End("b"),)),))) == ["head", "several views"]
    assert legend(Figure("t", "", (Box("a", "head", "a", count=2),))) == ["head", "several views"]
    assert legend(Figure("t", "", (a, b), (Wire("a", Label("x"), (End("b"),), stop=True),))) == [
        "head",
        "stop-gradient",
    ]
    written = ["head", "written after the step"]
    assert legend(Figure("t", "", (a, b), (Wire("a", Label("x"), (End("b", (), True, "push"),)),))) == written
    assert legend(Figure("t", "", (a, b), (), (Copy("a", "b", "follow"),))) == written


def test_the_legend_breaks_where_the_picture_ends() -> None:
    """All sections in one column: the legend is wider than the boxes, and no entry is cut."""
    many = Figure("t", "", tuple(Box(r, r, r) for r in ROLES if r != "join"))
    some = scene_of(many)
    words = texts(some.groups[0])[2:]
    rows = sorted({t.y for t in words})
    assert len(rows) > 3
    assert all(t.bounds()[2] <= some.width - MARGIN + 0.01 for t in words)
    for row in rows:
        frames = sorted(t.bounds() for t in words if t.y == row)
        assert all(a[2] < b[0] for a, b in itertools.pairwise(frames))


def test_a_narrow_picture_stands_in_the_middle_of_its_title() -> None:
    some = scene_of(Figure("a title that is much wider than the one box", "", (Box("a", "head", "a"),)))
    (frame,) = boxes(some).values()
    assert (frame[0] + frame[2]) / 2 == pytest.approx(some.width / 2, abs=0.5)


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


def test_a_single_box_is_a_picture() -> None:
    scene = scene_of(Figure("one", "", (Box("a", "head", "a"),)))
    assert 20 < scene.width < 200
    assert 20 < scene.height < 200


def test_sections_have_their_colours_and_the_legend_names_them(tmp_path: File) -> None:
    some = figure_of(tmp_path, MOCO)
    roles = {b.name: b.role for b in some.boxes}
    assert roles["image"] == "data"
    assert (roles["encoder"], roles["projector"], roles["target"]) == ("encoder", "head", "target")
    assert (roles["queue"], roles["critic"], roles["objective"]) == ("negatives", "critic", "objective")
    svg = write_svg(scene_of(some))
    for role in set(roles.values()):
        assert f'fill="{ROLES[role].fill}"' in svg
        assert f">{ROLES[role].title}</text>" in svg
    fills = [role.fill for role in ROLES.values()]
    assert len(set(fills)) == len(fills)
