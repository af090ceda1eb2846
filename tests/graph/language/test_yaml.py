"""Strict YAML: where everything stands, what is refused and how that is said."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import BYOL, SIMCLR, problems_of
from yaml_texts import only, read

from graphssl.errors import GraphError, Problems, Span
from graphssl.graph.language import yaml
from graphssl.graph.language.characters import LARGEST
from graphssl.graph.language.scalars import scalar


def shown(span: Span) -> str:
    """The stretch of its line that a span is."""
    return span.text[span.column - 1 :][: span.length]


def nested(depth: int, opening: str, closing: str = "") -> str:
    return "a: " + opening * depth + closing * depth


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
    document = read(text + "b: 1\n", "f")
    assert document.data == {"a": value, "b": 1}
    assert document.places["a",].value.line == 1


def test_a_text_of_several_lines_stands_where_it_begins() -> None:
    places = read("a: |\n  one\nb: 'long\n  text'\nc: plain\n  text\n", "f").places
    assert shown(places["a",].value) == "|"
    assert shown(places["b",].value) == "long"
    assert shown(places["c",].value) == "plain"


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
    document = read(PLACES, "f")
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
    at = read(PLACES, "my.yaml").places["section", "inner", "key"].value
    assert at == Span("my.yaml", 5, 16, 4, PLACES.splitlines()[4])


@pytest.mark.parametrize("text", [BYOL, SIMCLR])
def test_places_are_those_of_the_data(text: str) -> None:
    """Each path leads to something in the data, whose text stands at its place."""
    document = read(text, "f")
    assert len(document.places) >= 40
    for path, at in document.places.items():
        value: Any = document.data
        for key in path:
            value = value[key]
        if isinstance(value, int | float | str):
            assert scalar(shown(at.value)) == value
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
    found = problems_of(read, text, "f")
    assert [":".join(f.split(":")[1:3]) for f in found] == places
    assert "stands twice" in found[0]


def test_the_same_key_in_another_section_is_another_key() -> None:
    assert read("a: {k: 1}\nb: {k: 2, c: {k: 3}}\n", "f").data["b"] == {"k": 2, "c": {"k": 3}}


@pytest.mark.parametrize("key", ["true", "~", "1.0", "007", "größe", "wide, small", "<<"])
def test_keys_are_text_as_it_is_written(key: str) -> None:
    assert read(f"{key}: 1\n", "f").data == {key: 1}


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
    found = problems_of(read, "{a: .inf, a: 1}: 2\nb: &x 1\n", "f")
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
    assert read("a: {<<: {b: 1}, c: 2}\n", "f").data == {"a": {"<<": {"b": 1}, "c": 2}}


@pytest.mark.parametrize("text", ["---\na: 1\n", "a: 1\n...\n", "%YAML 1.2\n---\na: 1\n", "--- {a: 1}\n"])
def test_marks_of_one_document(text: str) -> None:
    assert read(text, "f").data == {"a": 1}


def test_version_1_1_is_read_as_1_2() -> None:
    assert read("%YAML 1.1\n---\na: yes\nb: 0777\nc: 12:30\n", "f").data == {"a": "yes", "b": 777, "c": "12:30"}


@pytest.mark.parametrize(("text", "line"), [("a: 1\n---\n", 2), ("a: 1\n...\n---\nb: 2\n", 3), ("---\n---\n---\n", 2)])
def test_a_second_document_is_refused(text: str, line: int) -> None:
    assert only(text).startswith(f"f:{line}:1: a graph file holds one document")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "   \n", "\ufeff"])
def test_nothing_is_nothing(text: str) -> None:
    document = read(text, "f")
    assert document.data is None
    assert document.places == {}


@pytest.mark.parametrize("text", ["just text\n", "- 1\n- 2\n", "5\n", "'a: 1'\n"])
def test_other_data_than_a_mapping_is_for_the_caller_to_refuse(text: str) -> None:
    assert read(text, "f").data in ("just text", [1, 2], 5, "a: 1")


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
    found = problems_of(read, "a: .inf\na: 1\nb: [1\n", "f")
    assert [f.split(":")[1] for f in found] == ["1", "2", "3"]


# -- sizes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{b: [", "]}")])
def test_the_deepest_that_is_read(opening: str, closing: str) -> None:
    times = yaml.DEEPEST // opening.count("[") // (1 + opening.count("{"))
    data, depth = read(nested(times, opening, closing), "f").data["a"], 1
    while data:
        data, depth = data["b"] if isinstance(data, dict) else data[0], depth + 1
    assert depth == yaml.DEEPEST
    assert "nested too deeply" in only(nested(times + 1, opening, closing))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{", "? - "])
def test_endless_nesting_ends_in_one_message(opening: str) -> None:
    message = only(opening * (LARGEST // len(opening) // 8))
    assert "this is nested too deeply for a graph" in message
    assert len(message) < 500


def test_a_problem_is_raised_as_one_error_with_all_of_them() -> None:
    with pytest.raises(GraphError) as caught:
        read("a: .inf\nb: &x 1\nb: 2\n", "f")
    assert [p.span.line for p in caught.value.problems if p.span] == [1, 2, 3]
    assert str(caught.value).count("\n") >= 5


def test_what_came_before_a_nesting_too_deep_is_told_too() -> None:
    found = problems_of(read, "a: .inf\n" + nested(40, "[", "]").replace("a:", "b:"), "f")
    assert [f.split(":")[1] for f in found] == ["1", "2"]


@pytest.mark.parametrize("text", ['graph: "a\\ud800"', '"\\udfff": 3', 'a: ["\\ude00\\ud83d"]'])
def test_half_of_a_character_is_refused(text: str) -> None:
    problems = Problems()
    yaml.read(text, "it.yaml", problems)
    (found,) = problems
    assert found.message == "half of a character, as in \\ud800, is no text"
