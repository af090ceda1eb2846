"""Strict YAML: which scalars there are, where everything stands, what is refused and how that is said."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import BYOL, SIMCLR, problems_of

from graphssl.errors import GraphError, Span
from graphssl.language import yaml


def shown(span: Span) -> str:
    """The stretch of its line that a span is."""
    return span.text[span.column - 1 :][: span.length]


def only(text: str) -> str:
    (problem,) = problems_of(yaml.read, text, "f")
    return problem


def nested(depth: int, opening: str, closing: str = "") -> str:
    return "a: " + opening * depth + closing * depth


# -- scalars -----------------------------------------------------------------------------------------------------

INTEGERS = [
    ("0", 0), ("00", 0), ("08", 8), ("-0", 0), ("+5", 5), ("-17", -17), ("0o0", 0), ("0o755", 493), ("0xfF", 255),
    ("9223372036854775807", 2**63 - 1), ("-9223372036854775807", 1 - 2**63), ("0x7fffffffffffffff", 2**63 - 1),
]  # fmt: skip
FLOATS = [
    ("0.", 0.0), (".0", 0.0), ("-.5", -0.5), ("+.5", 0.5), ("1E3", 1000.0), ("1e+3", 1000.0), ("1.e2", 100.0),
    ("-2.5e-3", -0.0025), ("1e308", 1e308), ("5e-324", 5e-324), ("1e-999", 0.0), ("3.141592653589793", 3.141592653589793),
]  # fmt: skip
# What YAML 1.1, other readers or a hasty reader of this one would turn into something else.
WORDS = [
    "y", "Y", "n", "N", "Yes", "NO", "On", "OFF", "tRUE", "nULL", "none", "None", "inf", "nan", "-.nan", ".infinity",
    "-0x1F", "+0x1F", "0o8", "0O17", "0b101", "0xG", "0x", "0o", "1e", "e1", "1e1.5", ".", "..", "-", "+", "--1", "+-1",
    "1.2.3", "1,5", "1 000", "1_000.5", "1k", "5%", "$5", "12:30:45", "190:20:30.15", "1:2", "2026-01-01",
    "2026-01-01T10:00:00Z", "<<", "=", "~~", "(1)", "1+1", "\u0966", "\u096b",
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), [*INTEGERS, *FLOATS], ids=lambda v: str(v))
def test_numbers(text: str, value: float) -> None:
    found = yaml.scalar(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", WORDS)
def test_what_is_no_number_is_text(text: str) -> None:
    assert yaml.scalar(text) == text
    assert text == "-" or yaml.read(f"key: {text}\n", "f").data == {"key": text}


@pytest.mark.parametrize(("word", "value"), [("true", True), ("false", False), ("null", None)])
def test_words_are_written_in_three_ways(word: str, value: bool | None) -> None:
    for text in (word, word.title(), word.upper()):
        assert yaml.scalar(text) is value
    assert yaml.scalar(word[0] + word[1:].upper()) == word[0] + word[1:].upper()


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("text", ["5", "5e-4", "true", "null", "~", "", ".inf", "no", "0x10", "9" * 40])
def test_quotes_keep_text(quote: str, text: str) -> None:
    assert yaml.read(f"a: {quote}{text}{quote}\n", "f").data == {"a": text}


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
    found = problems_of(yaml.read, "a: .inf\nb: {c: 1e999, d: [1, .nan]}\n", "f")
    assert [f.split(" ")[0] for f in found] == ["f:1:4:", "f:2:8:", "f:2:22:"]


# -- texts of several lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: |\n  one\n   two\n\n", "one\n two\n"),
        ("a: |-\n  one\n  two\n", "one\ntwo"),
        ("a: |+\n  one\n\n", "one\n\n"),
        ("a: >\n  one\n  two\n\n  three\n", "one two\nthree\n"),
        ("a: >-\n  5\n", "5"),
        ("a: |2\n    x\n", "  x\n"),
        ("a: one\n  two\n", "one two"),
        ('a: "one\n  two"\n', "one two"),
        ("a: 'one\n\n  two'\n", "one\ntwo"),
        ('a: "\\u00e9\\t\\x41\\n"\n', "\u00e9\tA\n"),
        ("a: 'it''s'\n", "it's"),
        ("a: |\n  x\ty # no comment\n", "x\ty # no comment\n"),
    ],
)
def test_texts_of_several_lines(text: str, value: str) -> None:
    document = yaml.read(text + "b: 1\n", "f")
    assert document.data == {"a": value, "b": 1}
    assert document.places["a",].value.line == 1


def test_a_text_of_several_lines_stands_where_it_begins() -> None:
    places = yaml.read("a: |\n  one\nb: 'long\n  text'\nc: plain\n  text\n", "f").places
    assert shown(places["a",].value) == "|"
    assert shown(places["b",].value) == "long"
    assert shown(places["c",].value) == "plain"


# -- characters --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_end_of_line_will_do(end: str) -> None:
    document = yaml.read(f"a: 1{end}# no{end}{end}b:{end}  c: [2,{end}    x]{end}", "f")
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
    assert yaml.read(f"a: x{text}y\n", "f").data == {"a": f"x{text}y"}


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
    assert yaml.read(text, "f").data == {"a": "b\tc"}


# -- places ------------------------------------------------------------------------------------------------------

PLACES = """\
# a comment
plain: value     # another
'quoted': "a text"
section:
  inner: {key: f(x), list: [1, 'two', {deep: ~}], none: , empty: {}}
  block:
    - first
    - k: v
      l: critic(q, k)[0]  # quoted in braces
  open:
"""


def test_every_key_and_value_has_its_place() -> None:
    document = yaml.read(PLACES, "f")
    found = {path: (shown(at.key), shown(at.value), at.value.line) for path, at in document.places.items()}
    assert found == {
        ("plain",): ("plain", "value", 2),
        ("quoted",): ("quoted", "a text", 3),
        ("section",): ("section", "section", 4),
        ("section", "inner"): ("inner", "inner", 5),
        ("section", "inner", "key"): ("key", "f(x)", 5),
        ("section", "inner", "list"): ("list", "list", 5),
        ("section", "inner", "list", 0): ("1", "1", 5),
        ("section", "inner", "list", 1): ("two", "two", 5),
        ("section", "inner", "list", 2): ("{", "{", 5),
        ("section", "inner", "list", 2, "deep"): ("deep", "~", 5),
        ("section", "inner", "none"): ("none", "none", 5),
        ("section", "inner", "empty"): ("empty", "empty", 5),
        ("section", "block"): ("block", "block", 6),
        ("section", "block", 0): ("first", "first", 7),
        ("section", "block", 1): ("k", "k", 8),
        ("section", "block", 1, "k"): ("k", "v", 8),
        ("section", "block", 1, "l"): ("l", "critic(q, k)[0]", 9),
        ("section", "open"): ("open", "open", 10),
    }


def test_places_name_the_file_and_hold_the_line() -> None:
    at = yaml.read(PLACES, "my.yaml").places["section", "inner", "key"].value
    assert at == Span("my.yaml", 5, 16, 4, PLACES.splitlines()[4])


@pytest.mark.parametrize("text", [BYOL, SIMCLR])
def test_places_are_those_of_the_data(text: str) -> None:
    """Each path leads to something in the data, whose text stands at its place."""
    document = yaml.read(text, "f")
    assert len(document.places) >= 40
    for path, at in document.places.items():
        value: Any = document.data
        for key in path:
            value = value[key]
        if isinstance(value, int | float | str):
            assert yaml.scalar(shown(at.value)) == value
        if isinstance(path[-1], str):
            assert shown(at.key) == path[-1]


# -- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a: 1\na: 2\na: 3\n", ["2:1", "3:1"]),
        ("a:\n  b:\n    c: 1\n    d: 2\n    c: 3\n", ["5:5"]),
        ("a: [{b: 1, b: 2}, {b: 3}]\n", ["1:12"]),
        ("a:\n- {b: 1}\n- c: 1\n  c: 2\n", ["4:3"]),
        ("a: 1\n'a': 2\n", ["2:2"]),
        ("1: x\n'1': y\n", ["2:2"]),
        ("a: {x: 1}\na: {x: .inf}\n", ["2:1", "2:8"]),
    ],
)
def test_keys_that_stand_twice(text: str, places: list[str]) -> None:
    found = problems_of(yaml.read, text, "f")
    assert [":".join(f.split(":")[1:3]) for f in found] == places
    assert "stands twice" in found[0]


def test_the_same_key_in_another_section_is_another_key() -> None:
    assert yaml.read("a: {k: 1}\nb: {k: 2, c: {k: 3}}\n", "f").data["b"] == {"k": 2, "c": {"k": 3}}


@pytest.mark.parametrize("key", ["true", "~", "1.0", "007", "größe", "wide, small", "<<"])
def test_keys_are_text_as_it_is_written(key: str) -> None:
    assert yaml.read(f"{key}: 1\n", "f").data == {key: 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (": 1\n", "f:1:1: a key is a word on one line"),
        ("'': 1\n", "f:1:2: a key is a word on one line"),
        ("'  ': 1\n", "f:1:2: a key is a word on one line"),
        ('"a\\nb": 1\n', "f:1:2: a key is a word on one line"),
        ("? [a, b]\n: 1\n", "f:1:3: a key is a word"),
        ("{a: 1}: 2\n", "f:1:1: a key is a word"),
        ("x: {[a]: 1}\n", "f:1:5: a key is a word"),
        ("f(x: 1\n", "f:1:1: the key 'f(x' is a piece of an expression"),
    ],
)
def test_keys_that_are_none(text: str, message: str) -> None:
    assert only(text).startswith(message)


def test_what_stands_in_a_key_that_is_none_is_read_too() -> None:
    found = problems_of(yaml.read, "{a: .inf, a: 1}: 2\nb: &x 1\n", "f")
    assert [re.sub(r"\n.*", "", f, flags=re.DOTALL) for f in found] == [
        "f:1:1: a key is a word",
        "f:1:5: a number is finite",
        "f:1:11: the key 'a' stands twice",
        "f:2:4: anchors such as &x are not used here",
    ]


# -- what YAML has and graphs have not ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1\n", "1:4: anchors such as &x"),
        ("a: &x\n  b: 1\n", "1:4: anchors such as &x"),
        ("a: &x [1]\n", "1:4: anchors such as &x"),
        ("&x a: 1\n", "1:1: anchors such as &x"),
        ("a: [*y]\n", "1:5: aliases such as *y"),
        ("a:\n  <<: *y\n  b: 1\n", "2:7: aliases such as *y"),
        ("*y : 1\n", "1:1: aliases such as *y"),
        ("a: !!str 5\n", "1:4: tags such as tag:yaml.org,2002:str"),
        ("a: !foo {b: 1}\n", "1:4: tags such as !foo"),
        ("a: ! 5\n", "1:4: tags such as !"),
        ("!!str a: 5\n", "1:1: tags such as tag:yaml.org,2002:str"),
        ("a: !!set {b, c}\n", "1:4: tags such as tag:yaml.org,2002:set"),
        ("%TAG ! tag:example.com,2000:\n---\na: !x 1\n", "3:4: tags such as tag:example.com,2000:x"),
    ],
)
def test_anchors_aliases_and_tags_are_refused_once(text: str, message: str) -> None:
    problem = only(text)
    assert problem.startswith(f"f:{message} are not used here")
    assert "hint: " in problem


def test_merge_keys_merge_nothing() -> None:
    assert yaml.read("a: {<<: {b: 1}, c: 2}\n", "f").data == {"a": {"<<": {"b": 1}, "c": 2}}


@pytest.mark.parametrize("text", ["---\na: 1\n", "a: 1\n...\n", "%YAML 1.2\n---\na: 1\n", "--- {a: 1}\n"])
def test_marks_of_one_document(text: str) -> None:
    assert yaml.read(text, "f").data == {"a": 1}


def test_version_1_1_is_read_as_1_2() -> None:
    assert yaml.read("%YAML 1.1\n---\na: yes\nb: 0777\nc: 12:30\n", "f").data == {"a": "yes", "b": 777, "c": "12:30"}


@pytest.mark.parametrize(("text", "line"), [("a: 1\n---\n", 2), ("a: 1\n...\n---\nb: 2\n", 3), ("---\n---\n---\n", 2)])
def test_a_second_document_is_refused(text: str, line: int) -> None:
    assert only(text).startswith(f"f:{line}:1: a graph file holds one document")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "   \n", "\ufeff"])
def test_nothing_is_nothing(text: str) -> None:
    document = yaml.read(text, "f")
    assert document.data is None
    assert document.places == {}


@pytest.mark.parametrize("text", ["just text\n", "- 1\n- 2\n", "5\n", "'a: 1'\n"])
def test_other_data_than_a_mapping_is_for_the_caller_to_refuse(text: str) -> None:
    assert yaml.read(text, "f").data in ("just text", [1, 2], 5, "a: 1")


# -- syntax ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("a: [1, 2\n", "1:4", "a '[' is not closed"),
        ("a: [1, 2", "1:4", "a '[' is not closed"),
        ("x: 1\na: {b: 1, c: 2", "2:4", "a '{' is not closed"),
        ("a: 'x\nb: 1\n", "1:4", ""),
        ('a: "x\n\n\n', "1:4", ""),
        ("a: ]\n", "1:4", ""),
        ("a: }\n", "1:4", ""),
        ("a: [,]\n", "1:5", ""),
        ('a: "\\q"\n', "1:6", ""),
        ("a: - b\n", "1:4", ""),
        ("a: |x\n", "1:5", ""),
        ("a: *\n", "1:5", ""),
        ("a: @x\n", "1:4", "needs quotes"),
        ("a: `x`\n", "1:4", "needs quotes"),
        ("a: b: c\n", "1:5", "needs quotes"),
        ("hello\na: 1\n", "2:2", "': ' needs quotes"),
        ("a: 1\n  b: 2\n", "2:4", "indented too far"),
        ("a:\n    b: 1\n  c: 2\n", "3:3", "begin in the same column"),
        ("%YAML 3.0\n---\na: 1\n", "1:1", ""),
        ("...\n", "1:1", ""),
    ],
)
def test_syntax_errors_have_a_place(text: str, place: str, hint: str) -> None:
    message = only(text)
    assert message.startswith(f"f:{place}: this is not YAML: ")
    assert hint in message.split("hint: ")[-1]
    assert message.count("\n") <= 3, "one reason, one line of the file, one hint"


def test_what_came_before_a_syntax_error_is_told_too() -> None:
    found = problems_of(yaml.read, "a: .inf\na: 1\nb: [1\n", "f")
    assert [f.split(":")[1] for f in found] == ["1", "2", "3"]


# -- sizes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{b: [", "]}")])
def test_the_deepest_that_is_read(opening: str, closing: str) -> None:
    times = yaml.DEEPEST // opening.count("[") // (1 + opening.count("{"))
    data, depth = yaml.read(nested(times, opening, closing), "f").data["a"], 1
    while data:
        data, depth = data["b"] if isinstance(data, dict) else data[0], depth + 1
    assert depth == yaml.DEEPEST
    assert "nested too deeply" in only(nested(times + 1, opening, closing))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{", "? - "])
def test_endless_nesting_ends_in_one_message(opening: str) -> None:
    message = only(opening * (yaml.LARGEST // len(opening) // 8))
    assert "this is nested too deeply for a graph" in message
    assert len(message) < 500


def test_the_largest_text() -> None:
    text = "a: '" + "x" * (yaml.LARGEST - 6) + "'\n"
    assert len(yaml.read(text, "f").data["a"]) == yaml.LARGEST - 6
    assert only(text + "#").startswith("f:1:1: 400,001 characters: this is no graph file (400,000 are the most)")


# -- writing -----------------------------------------------------------------------------------------------------

TEXTS = [
    *WORDS, *(t for t, _ in INTEGERS), *(t for t, _ in FLOATS), "true", "NULL", "", ".inf", ".NaN", "? b", ": c", "?", ":",
    "- a", "---", "...", "a: b", "a #b", "#", "&x", "*x", "!x", "%x", "@x", "`x", "|", ">", "'", '"', "a'b", "\\n", "[x",
    "]", "{", "}", ",", "a,b", " x", "x ", "x\ty", "\n", "two\n\nlines\n", "漢", "🐈", "\u2028", "\x85", "\u00a0x", "\ufeff",
    "\x07", "a b " * 300, "f(x, y=[1])[0:2]",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=lambda t: ascii(t)[:20])
def test_any_text_comes_back_as_the_same_text(text: str) -> None:
    data = {"top": text, "section": {"value": text, "list": [text, {"deep": text}]}, "list": [text, text]}
    assert yaml.read(yaml.dump(data), "f").data == data


@pytest.mark.parametrize(
    "number", [0, -5, 10**18, 2**63 - 1, 0.1, -0.0, 1e-9, 1e16, 1e22, 5e-324, 1e308, 1 / 3, True, False]
)
def test_any_number_comes_back_as_the_same_number(number: float) -> None:
    data = {"top": number, "section": {"value": number, "list": [number]}}
    found = yaml.read(yaml.dump(data), "f").data
    assert repr(found) == repr(data)


def test_a_section_is_a_block_and_an_entry_a_line() -> None:
    text = yaml.dump({"graph": "g", "nodes": {"a": {"use": "x.y", "of": ["b", "c"]}}, "allow": ["G101"], "flow": {}})
    assert text == "graph: g\nnodes:\n  a: {use: x.y, of: [b, c]}\nallow: [G101]\nflow: {}\n"


def test_a_long_line_is_not_broken() -> None:
    data = {"nodes": {"a": {f"key_{i}": i for i in range(200)}}, "flow": {"x": "f(" + "y, " * 500 + "z)"}}
    text = yaml.dump(data)
    assert text.count("\n") == 4
    assert yaml.read(text, "f").data == data


def test_writing_leaves_the_data_as_it_is() -> None:
    data = {"a": {"b": [1, {"c": "? x"}]}}
    yaml.dump(data)
    assert data == {"a": {"b": [1, {"c": "? x"}]}}
    assert type(data["a"]["b"]) is list


def test_a_problem_is_raised_as_one_error_with_all_of_them() -> None:
    with pytest.raises(GraphError) as caught:
        yaml.read("a: .inf\nb: &x 1\nb: 2\n", "f")
    assert [p.span.line for p in caught.value.problems if p.span] == [1, 2, 3]
    assert str(caught.value).count("\n") >= 5
