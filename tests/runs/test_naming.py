"""What a run may be called, and what is said of what it may not."""

from __future__ import annotations

from typing import Any

import pytest

import graphssl
from graphssl.errors import UsageError
from graphssl.runs.naming import check_name


@pytest.mark.parametrize(
    "name",
    [None, "byol-1", "a", "_x", "größe", "猫", "a b", "a.b-c_d", "x" * 200, "é" * 100, "console", "com10", "a=1,b", "(2)",
     "nul-1", "1"],
)  # fmt: skip
def test_a_name(name: str | None) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"), ("   ", "empty"), ("-rf", "begins with '-'"), ("--resume", "begins with '-'"), (".x", "'.'"),
        ("..", "begins with '.'"), (" x", "begins with a blank"), ("x ", "ends with a blank"), ("x.", "ends with '.'"),
        ("a/b", "/ would"), ("/abs", "/ would"), ("a\\b", r"\\ would"), ("a:b", "store :"), ('a"b<c', "store < \""),
        ("what?", r"store \?"), ("*", r"store \*"), ("a|b", r"store \|"), ("CON", "device"), ("nul", "device"),
        ("Lpt1.txt", "'Lpt1' is a device"), ("COM¹", "device"), ("x" * 201, "201 bytes"), ("é" * 101, "202 bytes"),
        ("a\nb", r"\\n"), ("a\tb", r"\\t"), ("a\x1b[31m", r"\\x1b"), ("a\x9bm", r"\\x9b"), ("a\x7f", r"\\x7f"),
        ("\u202eexe", r"\\u202e"), ("a\u200bb", r"\\u200b"), ("a\ufeff", r"\\ufeff"), ("a\u2028b", r"\\u2028"),
        ("\udcff", r"\\udcff"), ("a\0b", r"\\x00"), ("a\u3164", r"\\u3164"), ("a\xa0b", r"\\xa0"),
    ],
)  # fmt: skip
def test_no_name(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"cannot name a run.*{why}") as error:
        check_name(name)
    assert str(error.value).isprintable()


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(UsageError, match=r"/ would .*; other systems .* \*; it begins with '-'; it ends with '\.'"):
        check_name("-a/*.")


@pytest.mark.parametrize("name", [3, b"a", ["a"]])
def test_what_is_no_text(name: Any) -> None:
    with pytest.raises(UsageError, match="name of a run is text, not"):
        check_name(name)


def test_a_name_is_looked_at_before_the_graph_is() -> None:
    with pytest.raises(UsageError, match="cannot name a run"):
        graphssl.run("no such graph", name="a\x1bb")
