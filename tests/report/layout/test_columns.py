"""Which column each box stands in."""

from __future__ import annotations

from figures import drawn

from graphssl.report.figure.figure import Copy
from graphssl.report.layout.columns import columns

FOLLOW = (Copy("e", "t", "follow"), Copy("p", "t", "follow"))


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


def test_a_box_stands_behind_all_that_it_takes() -> None:
    spans = columns(drawn("a b c d", "a b d", "b c", "c d"))
    assert spans == {"a": (0, 0), "b": (1, 1), "c": (2, 2), "d": (3, 3)}


def test_a_box_without_inputs_stands_next_to_what_takes_it() -> None:
    spans = columns(drawn("a b c queue d", "a b", "b c", "c d", "queue d"))
    assert spans["queue"] == spans["c"]


def test_a_write_goes_from_left_to_right_unless_that_closes_a_circle() -> None:
    spans = columns(drawn("a b queue d", "a b d queue!", "queue d", "b d"))
    assert spans["a"] < spans["queue"] < spans["d"]
    spans = columns(drawn("a bank d", "a bank", "bank d", "d bank!"))
    assert spans == {"a": (0, 0), "bank": (1, 1), "d": (2, 2)}


def test_a_copy_stands_below_the_row_that_it_copies() -> None:
    copies = (Copy("e", "t", "follow"), Copy("p", "t", "follow"))
    some = drawn("x e p q t c", "x e t", "e p", "p q", "q c", "t c", copies=copies)
    assert columns(some)["t"] == (1, 2)
    assert columns(some, spread=False)["t"] == (1, 1)


def test_who_reads_a_copy_comes_after_its_row() -> None:
    copies = (Copy("e", "t", "follow"), Copy("p", "t", "follow"))
    spans = columns(drawn("x e p t queue c", "x e t", "e p", "p c", "t c queue!", "queue c", copies=copies))
    assert spans["t"] == (1, 2)
    assert spans["queue"] == (3, 3)
