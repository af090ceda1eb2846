"""Expressions: what they may hold, the tree that comes of them, and where each part stands."""

from __future__ import annotations

import pytest
from conftest import problems_of, strict

from graphssl.errors import Span
from graphssl.graph.language import expressions as e
from graphssl.graph.language import parse as p

INDENT = "  s: "


def place(text: str) -> Span:
    return Span("g.yaml", 7, len(INDENT) + 1, len(text), INDENT + text)


def parse(text: str) -> e.Expr:
    return strict(p.parse)(text, place(text))


def shown(span: Span) -> str:
    """The part of its line that a span covers."""
    return span.text[span.column - 1 :][: span.length]


def test_a_name() -> None:
    assert parse("x") == e.Name("x", place("x"))


def test_a_call_with_everything() -> None:
    call = parse("critic(q, batch.image, negatives=queue(), pairs=cross)")
    assert isinstance(call, e.Call)
    assert call.node == "critic"
    query, image = call.args
    assert isinstance(query, e.Name)
    assert isinstance(image, e.Batch)
    assert image.field == "image"
    assert shown(image.span) == "batch.image"
    assert isinstance(call.keywords["negatives"], e.Call)
    choice, span = call.options["pairs"]
    assert (choice, shown(span)) == ("cross", "cross")
    assert shown(call.name_span) == "critic"


@pytest.mark.parametrize(
    ("text", "start", "stop", "many"),
    [("x[1]", 1, None, False), ("x[-1]", -1, None, False), ("x[0:2]", 0, 2, True), ("x[:1]", None, 1, True)],
)
def test_views(text: str, start: int | None, stop: int | None, many: bool) -> None:
    index = parse(text)
    assert isinstance(index, e.Index)
    assert (index.start, index.stop, index.many) == (start, stop, many)


def test_parts_and_views_of_calls() -> None:
    part = parse("encoder(x)[0].map")
    assert isinstance(part, e.Part)
    assert part.name == "map"
    assert isinstance(part.value, e.Index)
    assert isinstance(part.value.value, e.Call)


def test_spans_count_characters_not_bytes() -> None:
    call = parse("größe(übersicht, y)")
    assert isinstance(call, e.Call)
    assert [shown(a.span) for a in call.args] == ["übersicht", "y"]


def test_a_text_that_is_not_on_its_line_as_it_is_has_one_place() -> None:
    span = Span("g.yaml", 7, 6, 9, '  s: "f(x,\\n y)"')
    call = strict(p.parse)("f(x,\n y)", span)
    assert isinstance(call, e.Call)
    assert all(a.span == span for a in call.args)


def test_names() -> None:
    text = "wide,  small"
    at = Span("g.yaml", 7, 3, len(text), "  wide,  small: augment(batch.image)")
    names = strict(p.parse_names)(text, at)
    assert [n.id for n in names] == ["wide", "small"]
    assert [shown(n.span) for n in names] == ["wide", "small"]


@pytest.mark.parametrize("text", ["a,,b", "a,", ",a", ""])
def test_names_that_are_missing(text: str) -> None:
    (found,) = problems_of(strict(p.parse_names), text, place(text))
    assert "a name is missing beside a comma" in found


WRONG = [
    ("", "there is no expression here", ""),
    ("   ", "there is no expression here", ""),
    ("batch", "'batch' is read by its fields", "batch.image"),
    ("f(batch.images)", "a batch has no field 'images'", "did you mean 'image'?"),
    ("a + b", "arithmetic stands only in loss:", "calls node(value, port=value)"),
    ("2 * f(x)", "arithmetic stands only in loss:", ""),
    ("f(-x)", "arithmetic stands only in loss:", ""),
    ("f(1)", "1 is no value of the flow", "config"),
    ("'text'", "'text' is no value of the flow", ""),
    ("f(*x)", "one by one, not by *", ""),
    ("f(**x)", "one by one, not by **", ""),
    ("f(x, pairs=crossed)", "'crossed' is no choice for pairs=", "did you mean 'cross'?"),
    ("f(x, views='fold')", "'fold'", ""),
    ("f(x)(y)", "only a node can be called", ""),
    ("a.b(y)", "only a node can be called", ""),
    ("x[a]", "views are numbered", ""),
    ("x[True]", "views are numbered", ""),
    ("x[1.0]", "views are numbered", ""),
    ("x[0:4:2]", "a slice of views has no step", ""),
    ("x[0, 1]", "views are numbered", ""),
    ("f(x", "1 ')' missing", ""),
    ("f(x))", "1 ')' too many", ""),
    ("f(x y)", "cannot be read as an expression", ""),
    ("f(x, x=1, x=2)", "", ""),
    ("lambda: x", "this is no expression of a graph", ""),
    ("[x for x in y]", "this is no expression of a graph", ""),
    ("x if y else z", "this is no expression of a graph", ""),
    ("__import__('os').system('true')", "only a node can be called", ""),
    ("f(x\0)", "cannot be read", ""),
    ("(" * 300 + "x" + ")" * 300, "cannot be read", ""),
    ("f(" * 90 + "x" + ")" * 90, "nested too deeply", "a line each"),
    ("x" + ".a" * 500, "nested too deeply", ""),
    ("f(" + "x, " * 3000 + ")", "4,000 is the most", ""),
]


@pytest.mark.parametrize(("text", "message", "hint"), WRONG, ids=[w[0][:24] for w in WRONG])
def test_what_is_refused(text: str, message: str, hint: str) -> None:
    found = problems_of(parse, text)
    assert any(message in f and hint in f for f in found), found


def test_all_problems_of_an_expression_are_told() -> None:
    found = problems_of(parse, "f(1, batch.imag, pairs=no)")
    assert len(found) == 3


def test_nothing_is_ever_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> object:
        raise AssertionError("evaluated")

    monkeypatch.setattr("builtins.eval", forbidden)
    monkeypatch.setattr("builtins.exec", forbidden)
    parse("critic(q, k, queue())[0].x")
