"""Loss terms: the factor, and what is said of arithmetic that is none of a term."""

from __future__ import annotations

import pytest
from conftest import problems_of, strict

from graphssl.errors import Span
from graphssl.graph.language import expressions as e
from graphssl.graph.language.parse import parse_term

INDENT = "  s: "


def term(text: str) -> tuple[float, e.Expr]:
    found: tuple[float, e.Expr] = strict(parse_term)(text, Span("g.yaml", 7, len(INDENT) + 1, len(text), INDENT + text))
    return found


TERMS = [
    ("f(s)", 1.0), ("2 * f(s)", 2.0), ("-f(s)", -1.0), ("-0.5 * f(s)", -0.5), ("1e-2*f(s)", 0.01), ("-(2 * f(s))", -2.0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "factor"), TERMS)
def test_terms(text: str, factor: float) -> None:
    found, call = term(text)
    assert found == factor
    assert isinstance(call, e.Call)


FACTORS = [
    ("x * f(s)", "the factor of a loss term is a number, and stands first", ""),
    ("True * f(s)", "the factor of a loss term is a number, and stands first", ""),
    ("'2' * f(s)", "the factor of a loss term is a number, and stands first", ""),
    ("1e999 * f(s)", "the factor of a loss term is a number, and stands first", ""),
    ("9" * 400 + " * f(s)", "the factor of a loss term is a number, and stands first", ""),
    ("2 * 0.5 * f(s)", "the factor of a loss term is a number, and stands first", ""),
    ("f(s) * g(s)", "the factor of a loss term is a number, and stands first", ""),
    ("f(s) * 0.5", "the factor of a loss term is a number, and stands first", "hint: write 0.5 * f(s)"),
    ("-f(s) * 0.5", "the factor of a loss term is a number, and stands first", "hint: write -0.5 * f(s)"),
    ("f(s) / 2", "a loss term is a call, or number * call", "hint: write 0.5 * f(s)"),
    ("f(s) / 0", "a loss term is a call, or number * call", ""),
    ("f(s) ** 2", "a loss term is a call, or number * call", ""),
    ("f(s) + 0.5 * g(s)", "a loss term is a call, or number * call", "a line for each, a: f(s) and b: 0.5 * g(s)"),
    ("f(s) - g(s)", "a loss term is a call, or number * call", "a line for each, a: f(s) and b: -g(s)"),
    ("+f(s)", "a loss term is a call, or number * call", "hint: write f(s)"),
    ("f(s * 2)", "arithmetic stands only in loss:, in front of a term", ""),
    ("0 * f(s)", "a factor of 0 takes the term out of the loss", "leave the whole line out"),
    ("-0.0 * f(s)", "a factor of 0 takes the term out of the loss", "leave the whole line out"),
]


@pytest.mark.parametrize(("text", "message", "hint"), FACTORS, ids=[f[0][:24] for f in FACTORS])
def test_what_is_no_loss_term_is_one_problem(text: str, message: str, hint: str) -> None:
    (found,) = problems_of(term, text)
    assert message in found
    assert hint in found


def test_the_factor_that_is_wrong_is_underlined() -> None:
    text = "0 * f(s)"
    (found,) = problems_of(term, text)
    assert found.splitlines()[1:3] == ["    s: 0 * f(s)", "       ^"]
