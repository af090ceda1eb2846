"""Trees of expressions: which names and calls they hold, and what a call says of pairs and views."""

from __future__ import annotations

import pytest
from conftest import strict

from graphssl.errors import Span
from graphssl.graph.language import expressions as e
from graphssl.graph.language.parse import parse


def tree(text: str) -> e.Expr:
    found: e.Expr = strict(parse)(text, Span("g.yaml", 1, 1, len(text), text))
    return found


@pytest.mark.parametrize(
    ("text", "names", "calls"),
    [
        ("x", ["x"], []),
        ("batch.image", [], []),
        ("x[0].map", ["x"], []),
        ("f(batch.image)", [], ["f"]),
        ("f(g(x), y, key=h(z[1])).map[0]", ["x", "y", "z"], ["f", "g", "h"]),
        ("f(x, x, g(x))", ["x", "x", "x"], ["f", "g"]),
    ],
)
def test_names_and_calls_in_order(text: str, names: list[str], calls: list[str]) -> None:
    assert list(e.names_in(tree(text))) == names
    assert [call.node for call in e.calls_in(tree(text))] == calls


def test_an_option_has_a_text_and_a_place() -> None:
    call = tree("f(x, pairs=cross)")
    assert isinstance(call, e.Call)
    assert (call.option("pairs"), call.option("views")) == ("cross", "")
    assert (call.place_of("pairs").column, call.place_of("pairs").length) == (12, 5)
    assert call.place_of("views") == call.span
