"""What a picture shows: labels, notes, how many calls a box stands for."""

from __future__ import annotations

import pytest

from graphssl.report.figure.figure import Box, End, Figure, Label, Wire


@pytest.mark.parametrize(
    ("label", "title", "sizes"),
    [
        (Label(), "", ""),
        (Label("x"), "x", ""),
        (Label("x", 2), "x \u00d72", ""),
        (Label("", 2), "", ""),
        (Label("s", 1, ((("b", "16"),), (("b", "16"), ("n", "48")))), "s", "b = 16; b n = 16 48"),
        (Label("s", 1, ((), (("b", "16"),))), "s", "b = 16"),
    ],
)
def test_labels(label: Label, title: str, sizes: str) -> None:
    assert (label.title, label.sizes) == (title, sizes)


def test_notes_tell_ends_updates_and_gradients() -> None:
    boxes = (
        Box("a", "encoder", "encoder"),
        Box("q", "negatives", "queue"),
        Box("v", "join", ""),
        Box("loss", "loss", "loss"),
    )
    ends = (End("q", ("key",), True, "push"), End("v"), End("loss", (), False, "infonce"), End("a", ("x", "y")))
    some = Figure("t", "", boxes, (Wire("a", Label("k", 2, ((("b", "16"),),)), ends, stop=True),))
    assert some.note(some.wires[0]).split("\n") == [
        "k \u00d72: b = 16", "no gradient flows back", "→ queue.key (push, after the step)", "→ v", "→ loss", "→ encoder.x, y",
    ]  # fmt: skip
    nameless = Wire("a", Label(), (End("v"),))
    assert Figure("t", "", boxes, (nameless,)).note(nameless) == "→ v"


def test_a_box_tells_how_many_calls_it_stands_for() -> None:
    assert Box("a", "head", "a", count=14).times == "\u00d714"
    assert Box("a", "head", "a").times == ""
