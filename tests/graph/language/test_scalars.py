"""Scalars: which texts are numbers, words or nothing, and which numbers are refused."""

from __future__ import annotations

import pytest
from conftest import problems_of
from yaml_texts import FLOATS, INTEGERS, WORDS, only, read

from graphssl.graph.language.scalars import scalar


@pytest.mark.parametrize(("text", "value"), [*INTEGERS, *FLOATS], ids=lambda v: str(v))
def test_numbers(text: str, value: float) -> None:
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", WORDS)
def test_what_is_no_number_is_text(text: str) -> None:
    assert scalar(text) == text
    assert text == "-" or read(f"key: {text}\n", "f").data == {"key": text}


@pytest.mark.parametrize(("word", "value"), [("true", True), ("false", False), ("null", None)])
def test_words_are_written_in_three_ways(word: str, value: bool | None) -> None:
    for text in (word, word.title(), word.upper()):
        assert scalar(text) is value
    assert scalar(word[0] + word[1:].upper()) == word[0] + word[1:].upper()


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("text", ["5", "5e-4", "true", "null", "~", "", ".inf", "no", "0x10", "9" * 40])
def test_quotes_keep_text(quote: str, text: str) -> None:
    assert read(f"a: {quote}{text}{quote}\n", "f").data == {"a": text}


@pytest.mark.parametrize("text", [".inf", ".Inf", ".INF", "-.inf", "+.INF", ".nan", ".NaN", ".NAN"])
def test_numbers_that_are_not_finite_are_refused(text: str) -> None:
    assert only(f"a: {text}\n").startswith("f:1:4: a number is finite\n")
    assert only(f"a: [1, {text}]\n").startswith("f:1:8: a number is finite\n")


@pytest.mark.parametrize(
    "text",
    ["1e309", "-1e309", "9" * 400 + ".", "9223372036854775808", "-9223372036854775808", "9" * 5000, "0x" + "F" * 5000,
     "0o" + "7" * 5000, "0x8000000000000000"],
    ids=lambda t: t[:12],
)  # fmt: skip
def test_numbers_that_nothing_can_hold_are_refused(text: str) -> None:
    assert only(f"a: {text}\n").startswith("f:1:4: this number is too large\n")


def test_every_number_of_a_file_that_is_wrong_is_told() -> None:
    found = problems_of(read, "a: .inf\nb: {c: 1e999, d: [1, .nan]}\n", "f")
    assert [f.split(" ")[0] for f in found] == ["f:1:4:", "f:2:8:", "f:2:22:"]


SCALARS = [
    ("5e-4", 5e-4), ("1e5", 1e5), ("5", 5), ("-3", -3), ("+2", 2), ("0.1", 0.1), (".5", 0.5), ("5.", 5.0), ("007", 7),
    ("0x1F", 31), ("0o17", 15), ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
    ("no", "no"), ("on", "on"), ("yes", "yes"), ("1_000", "1_000"), ("12:30", "12:30"), ("'5'", "5"), ('"no"', "no"),
    ("2026-01-01", "2026-01-01"), ("1.0.0", "1.0.0"), ("0b1", "0b1"), ("e5", "e5"), ("critic(q, k)", "critic(q, k)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS, ids=[s[0] for s in SCALARS])
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = read(f"key: {text}\n", "a.yaml").data["key"]
    assert found == value
    assert type(found) is type(value)
