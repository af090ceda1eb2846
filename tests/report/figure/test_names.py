"""What the flow calls the slots of a wire."""

from __future__ import annotations

from graphssl.graph.calls import Slot, Value
from graphssl.report.figure.names import Names


def slot(number: int, *axes: str) -> Slot:
    return Slot(number, f"s{number}", "tensor", tuple(tuple(a.split()) for a in axes), "n", "", None, None)


def test_names_of_slots() -> None:
    slots = [Slot(i, f"x_{i}", "tensor", (("b",),), "n", "", i, None) for i in range(5)]
    family = Value(tuple(slots[:4]), tuple((i,) for i in range(4)))
    names = Names({"x": family, "same": family, "h": Value(parts={"map": Value((slots[4],))})})
    assert names.of(slots[:4]) == (["x", "same"], "x, same")
    assert names.of(slots[1:2])[1] == "x[1]"
    assert names.of(slots[1:3])[1] == "x[1:3]"
    assert names.of([slots[0], slots[3]])[1] == "x[0,3]"
    assert names.of(slots[4:]) == (["h.map"], "h.map")
    assert names.of(slots) == ([], "")


def test_a_name_is_found_for_any_part_of_a_family() -> None:
    x = [slot(i, "b d") for i in range(6)]
    tags = tuple((i,) for i in range(6))
    names = Names({"all": Value(tuple(x), tags), "wide": Value(tuple(x[:2]), tags[:2]), "one": Value((x[5],))})
    assert names.of([x[0], x[1]]) == (["wide"], "wide"), "the whole of the smallest"
    assert names.of([x[1]]) == (["wide"], "wide[1]")
    assert names.of([x[5]]) == (["one"], "one")
    assert names.of([x[2], x[3], x[4]]) == (["all"], "all[2:5]")
    assert names.of([x[4], x[2]]) == (["all"], "all[2,4]")
    assert names.of([x[1], x[2]]) == (["all"], "all[1:3]")
    assert names.of([slot(9, "b")]) == ([], "")


def test_parts_are_named_after_their_value() -> None:
    x = [slot(i, "b d") for i in range(3)]
    h = Value(parts={"map": Value((x[0],)), "views": Value((x[1], x[2]), ((0,), (1,)))})
    names = Names({"h": h})
    assert list(names.leaves) == ["h.map", "h.views"]
    assert names.of(x[1:])[1] == "h.views"
    assert names.of(x[2:])[1] == "h.views[1]"
