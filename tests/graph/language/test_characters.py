"""Characters: which have a place in a graph file, and how the others are named."""

from __future__ import annotations

import pytest
from yaml_texts import only, read

from graphssl.graph.language.characters import LARGEST


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_end_of_line_will_do(end: str) -> None:
    document = read(f"a: 1{end}# no{end}{end}b:{end}  c: [2,{end}    x]{end}", "f")
    assert document.data == {"a": 1, "b": {"c": [2, "x"]}}
    assert [document.places[path].value.line for path in (("a",), ("b",), ("b", "c", 1))] == [1, 4, 6]
    assert only(f"a: 1{end}{end}b: .inf{end}").startswith("f:3:4: ")


def test_a_byte_order_mark_in_front_takes_no_column() -> None:
    assert only("\ufeffa: .inf\n").startswith("f:1:4: a number is finite\n    a: .inf\n       ^^^^")


STRANGE = ["\x00", "\x08", "\x0b", "\x0c", "\x1b", "\x1c", "\x7f", "\x80", "\x85", "\x9f", "\u2028", "\u2029", "\ud800",
           "\udcff", "\ufeff", "\ufffe", "\uffff"]  # fmt: skip


@pytest.mark.parametrize("character", STRANGE, ids=lambda c: f"U+{ord(c):04X}")
@pytest.mark.parametrize("template", ["a: x{}y\n", "a: 'x{}y'\n", "# {}\n", "a: |\n  x{}\n", "a: {{b: [x{}]}}"])
def test_characters_that_no_editor_shows_are_named(character: str, template: str) -> None:
    text = template.format(character)
    line = text[: text.index(character)].count("\n") + 1
    column = text.index(character) - text.rfind("\n", 0, text.index(character))
    message = only("k: 1\n" + text)
    assert message.startswith(f"f:{line + 1}:{column}: the character U+{ord(character):04X} has no place")
    assert character not in message.split("\n", 1)[1], "the terminal is not shown it either"


@pytest.mark.parametrize(
    "text", ["ä", "漢字", "🐈", "\u00a0", "\u2027", "\u202a", "\ud7ff", "\ue000", "\ufffd", "→", "\u0301"]
)
def test_other_letters_are_welcome(text: str) -> None:
    assert read(f"a: x{text}y\n", "f").data == {"a": f"x{text}y"}


@pytest.mark.parametrize(
    ("indent", "column", "what"),
    [
        ("\t", 1, "a tab"),
        ("  \t", 3, "a tab"),
        ("\u00a0\u00a0", 1, "the character U+00A0"),
        (" \u3000", 2, "the character U+3000"),
    ],
)
def test_lines_are_indented_with_spaces(indent: str, column: int, what: str) -> None:
    message = only(f"a:\n{indent}b: 1\n")
    assert message.startswith(f"f:2:{column}: {what}: YAML is indented with spaces")


@pytest.mark.parametrize("text", ["a: b\tc\n", "a: 1\t# c\n", "a:\t1\n", "- \ta: 1\n"])
def test_a_tab_between_words_is_named(text: str) -> None:
    message = only(text)
    assert message.startswith(f"f:1:{text.index(chr(9)) + 1}: this is not YAML")
    assert message.endswith("hint: this is a tab: write a space")


@pytest.mark.parametrize("text", ["a: 'b\tc'\n", 'a: "b\tc"\n'])
def test_a_tab_in_quotes_is_text(text: str) -> None:
    assert read(text, "f").data == {"a": "b\tc"}


def test_the_largest_text() -> None:
    text = "a: '" + "x" * (LARGEST - 6) + "'\n"
    assert len(read(text, "f").data["a"]) == LARGEST - 6
    assert only(text + "#").startswith("f:1:1: 400,001 characters: this is no graph file (400,000 are the most)")
