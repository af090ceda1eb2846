"""Marks: the pieces of a path, and what a text covers."""

from __future__ import annotations

import pytest
from figures import along

from graphssl.report.drawing.scene import Path, Text
from graphssl.report.style import INK, WIRE
from graphssl.report.text import text_width


def test_a_curve_is_level_at_both_ends() -> None:
    path = Path(((0, 0), (10, 20), (30, 20)), WIRE, curved=(True, False))
    assert list(path.pieces()) == [((5, 0), (5, 20), (10, 20)), ((30, 20),)]
    points = list(along(path, 1000))
    assert abs(points[1][1] - points[0][1]) < 0.01 * abs(points[1][0] - points[0][0])
    assert abs(points[1000][1] - points[999][1]) < 0.01 * abs(points[1000][0] - points[999][0])


def test_a_path_is_straight_unless_it_says_otherwise() -> None:
    assert list(Path(((0, 0), (1, 2), (3, 4)), WIRE).pieces()) == [((1, 2),), ((3, 4),)]


@pytest.mark.parametrize(("anchor", "left"), [("start", 0.0), ("middle", 0.5), ("end", 1.0)])
def test_text_covers_what_its_anchor_says(anchor: str, left: float) -> None:
    text = Text(50.0, 20.0, "name", 10.0, INK, anchor)  # type: ignore[arg-type]
    width = text_width("name", 10.0)
    x0, y0, x1, y1 = text.bounds()
    assert (x0, x1) == (pytest.approx(50 - left * width), pytest.approx(50 + (1 - left) * width))
    assert y1 - y0 == pytest.approx(10.0)
    assert y0 < 20.0 < y1
