"""From wires to lines, the strips that they run in, and their links from column to column."""

from __future__ import annotations

import pytest
from figures import drawn

from graphssl.report.figure.figure import Copy
from graphssl.report.layout.columns import columns
from graphssl.report.layout.layout import layout
from graphssl.report.layout.lines import lines_of, links_of, overlap, strips

FOLLOW = (Copy("e", "t", "follow"), Copy("p", "t", "follow"))


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
