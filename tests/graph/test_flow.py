"""Lines of the flow: their order does not matter, and one may name several values."""

from __future__ import annotations

from conftest import MOCO, Write
from wired import read


def test_lines_may_stand_in_any_order(write: Write) -> None:
    straight = read(write, MOCO)
    lines = MOCO.split("flow:\n")[1].split("loss:")[0].splitlines()
    turned = MOCO.replace("\n".join(lines), "\n".join(reversed(lines)))
    assert turned != MOCO
    graph = read(write, turned)
    order = [c.line for c in graph.step_calls()]
    assert order.index("x") < order.index("q") < order.index("s")
    assert set(graph.values) == set(straight.values)


def test_views_have_names_of_their_own_when_unpacked(write: Write) -> None:
    graph = read(write, MOCO, ("x: augment", "a, b: augment"), ("x[0]", "a"), ("x[1]", "b"))
    assert not graph.values["a"].family
    assert graph.values["a"] != graph.values["b"]
