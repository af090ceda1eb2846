"""Room for boxes and for what is written on wires."""

from __future__ import annotations

import pytest

from graphssl.report.figure.figure import Box, Label
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
from graphssl.report.style import LEADING, LETTER_GAP, NAME, PADDING, SMALL, TENSOR_GAP
from graphssl.report.text import text_width

AXES = ((("b", "16"), ("d", "128")),)


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
