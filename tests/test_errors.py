"""How problems are shown: the place, the line with its caret, hints, the order, and names that are nearly right."""

from __future__ import annotations

import doctest

import pytest

from graphssl import errors
from graphssl.errors import GraphError, Problem, Problems, RunError, Span, UsageError, in_file_order, suggest


def marked(span: Span) -> str:
    """What stands above the carets, by the columns of what is printed."""
    line, carets = Problem("m", span).render().split("\n")[1:3]
    return line[carets.index("^") : len(carets)]


# -- one problem -------------------------------------------------------------------------------------------------


def test_the_examples_in_docstrings_hold() -> None:
    found = doctest.testmod(errors)
    assert (found.failed, found.attempted) == (0, 2)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("wrong"), "wrong"),
        (Problem("wrong", hint="right"), "wrong\n  hint: right"),
        (Problem("wrong", code="G101"), "wrong [G101]"),
        (Problem("odd", code="G305", severity="warning"), "warning: odd [G305]"),
        (Problem("wrong", Span("a.yaml", 3, 7)), "a.yaml:3:7: wrong"),
        (Problem("wrong", Span("a.yaml", 3, 7, 2, "   ")), "a.yaml:3:7: wrong"),
        (Problem("wrong", Span("a.yaml", 1)), "a.yaml:1:1: wrong"),
        (
            Problem("odd", Span("a.yaml", 3, 4, 1, "x: y"), "why", "G1", "warning"),
            "a.yaml:3:4: warning: odd [G1]\n    x: y\n       ^\n  hint: why",
        ),
    ],
)
def test_what_is_shown(problem: Problem, text: str) -> None:
    assert problem.render() == text


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("key: value", "key"), ("key: value", "value"), ("      key: value", "value"), ("  a: b  # c  ", "c"),
        ("größe: ä", "ä"), ("x", "x"), ("a" * 109 + "b", "b"), ("a" * 110 + "b", "b"), (" " * 200 + "deep: b", "b"),
        ("a" * 300 + "here" + "c" * 300, "here"), ("here" + "c" * 300, "here"), ("c" * 300 + "here", "here"),
        ("long" * 200, "long" * 10),
    ],
)  # fmt: skip
def test_the_caret_is_below_the_word(line: str, word: str) -> None:
    span = Span("f", 1, line.index(word) + 1, len(word), line)
    assert marked(span) == word


@pytest.mark.parametrize(
    ("before", "cells"), [("漢字", 4), ("\uff46", 2), ("e\u0301", 1), ("ä", 1), ("🐈", 2), ("한", 2)]
)
def test_the_caret_counts_the_cells_of_a_terminal(before: str, cells: int) -> None:
    line = f"{before}: kk"
    carets = Problem("m", Span("f", 1, line.index("kk") + 1, 2, line)).render().split("\n")[2]
    assert carets == " " * (4 + cells + 2) + "^^"
    carets = Problem("m", Span("f", 1, 1, len(before), line)).render().split("\n")[2]
    assert carets == " " * 4 + "^" * cells


@pytest.mark.parametrize("column", [1, 50, 500, 1000])
@pytest.mark.parametrize("length", [1, 5, 1000])
def test_a_long_line_is_cut_to_the_caret(column: int, length: int) -> None:
    line = "".join(chr(97 + i % 26) for i in range(1000))
    text, carets = Problem("m", Span("f", 1, column, length, line)).render().split("\n")[1:]
    assert len(text) <= 114
    assert len(carets) <= 114
    at = carets.index("^")
    assert text[at : len(carets)] == line[column - 1 :][: len(carets) - at]


@pytest.mark.parametrize("length", [0, -3, 1, 99])
def test_there_is_always_a_caret_and_none_beyond_the_line(length: int) -> None:
    assert marked(Span("f", 1, 3, length, "a: bcd")) == (" bcd" if length == 99 else " ")


def test_a_place_behind_the_line_has_its_caret_there() -> None:
    assert Problem("m", Span("f", 1, 8, 3, "a: bcd")).render().split("\n")[2] == " " * 11 + "^"


@pytest.mark.parametrize("character", ["\x1b", "\x00", "\t", "\u2028", "\u202e", "\udcff", "\x07"])
def test_a_terminal_gets_no_control_characters(character: str) -> None:
    line = f"a: {character}[31mred"
    shown = Problem("m", Span("f", 1, 5, 3, line)).render()
    assert character not in shown
    assert marked(Span("f", 1, 6, 3, line)) == "31m"


@pytest.mark.parametrize("word", ["critic", "q", "kk", "queue()"])
def test_a_part_of_a_stretch(word: str) -> None:
    line = "  s: critic(q, kk, queue())"
    whole = Span("f", 9, 6, len(line) - 5, line)
    part = whole.part(line.index(word) - 5, len(word))
    assert marked(part) == word
    assert (part.file, part.line, part.text) == ("f", 9, line)


def test_a_part_has_a_length() -> None:
    assert Span("f", 1, 5, 3, "abcdefgh").part(1, 0) == Span("f", 1, 6, 1, "abcdefgh")


# -- several -----------------------------------------------------------------------------------------------------


def test_problems_are_told_in_the_order_of_the_file() -> None:
    at = [("b", 1, 1), ("a", 10, 1), ("a", 9, 2), ("a", 9, 10), ("a", 9, 1)]
    problems = [Problem(f"{file} {line} {column}", Span(file, line, column)) for file, line, column in at]
    everywhere = Problem("nowhere")
    found = in_file_order([*problems, everywhere])
    assert [p.message for p in found] == ["nowhere", "a 9 1", "a 9 2", "a 9 10", "a 10 1", "b 1 1"]


def test_problems_of_one_place_keep_their_order_and_are_told_once() -> None:
    here = Span("a", 1, 1)
    first, second = Problem("z", here), Problem("a", here)
    assert in_file_order([first, second, Problem("z", here)]) == [first, second]
    assert in_file_order([first, Problem("z", here, code="G1")]) == [first, Problem("z", here, code="G1")]
    assert in_file_order([]) == []


def test_an_error_holds_and_shows_all() -> None:
    later, sooner = Problem("later", Span("f", 9)), Problem("sooner", Span("f", 2), "do")
    error = GraphError([later, sooner, later])
    assert error.problems == [sooner, later]
    assert str(error) == "f:2:1: sooner\n  hint: do\nf:9:1: later"


def test_a_wrong_argument_is_told_like_a_run_that_failed() -> None:
    assert issubclass(UsageError, RunError)
    assert not issubclass(GraphError, RunError)


# -- suggestions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "choices", "hint"),
    [
        ("encodr", ["encoder", "projector"], "did you mean 'encoder'?"),
        ("ENCODER", ["encoder"], "did you mean 'encoder'?"),
        ("kk", ["k", "q"], "did you mean 'k'?"),
        ("momentun", ["momentum", "moment"], "did you mean 'momentum'?"),
        ("q", ["K", "Q", "q"], "did you mean 'Q'?"),
        ("G2O1", ["G213", "G212", "G201", "G211"], "did you mean 'G201'?"),
        ("vlt", ["v1t", "vit"], "did you mean 'v1t'?"),
        ("zzz", ["a", "b"], "choices are a, b"),
        ("", ["a"], "choices are a"),
        ("zzz", [], None),
        ("zzz", [f"name_{i}" for i in range(25)], None),
        ("name_24x", [f"name_{i}" for i in range(25)], "did you mean 'name_24'?"),
    ],
)
def test_names_that_are_nearly_right(name: str, choices: list[str], hint: str | None) -> None:
    assert suggest(name, choices).text == hint


def test_a_short_list_is_told_in_its_order() -> None:
    assert suggest("?", ["b", "a", "c"], "nodes are").text == "nodes are b, a, c"
    assert suggest("?", iter(["b", "a"])).text == "choices are b, a"
    assert suggest("?", {"x": 1, "y": 2}).text == "choices are x, y"
    assert suggest("?", [str(i) for i in range(24)]).text == "choices are " + ", ".join(str(i) for i in range(24))


def test_what_a_suggestion_is_near_to_can_be_asked() -> None:
    assert suggest("kk", ["k", "q"]).near == "k"
    listed = suggest("zzz", ["a", "did you mean 'b'?"])
    assert (listed.near, str(listed)) == (None, "choices are a, did you mean 'b'?")
    assert (bool(suggest("zzz", [])), str(suggest("zzz", []))) == (False, "")


# -- the collector ------------------------------------------------------------------------------------------------


def test_problems_are_collected_and_stop_where_one_is_an_error() -> None:
    problems = Problems()
    problems.stop()
    problems.add("too large", Span("a.yaml", 2), about="queue")
    with problems.gathering():
        raise GraphError([Problem("too small", Span("a.yaml", 1))])
    assert [(p.message, p.kind, p.about) for p in problems] == [
        ("too large", "value", "queue"),
        ("too small", "value", None),
    ]
    with pytest.raises(GraphError) as caught:
        problems.stop()
    assert [p.message for p in caught.value.problems] == ["too small", "too large"]


def test_a_rule_has_a_collector_of_its_own() -> None:
    problems = Problems()
    own = problems.of("G301", "warning")
    own.add("odd", Span("a.yaml", 1))
    problems.merge(own)
    assert [(p.code, p.severity) for p in problems] == [("G301", "warning")]
    assert not problems.errors
    problems.stop()  # a warning stops nothing
    problems.add("wrong")
    assert problems.errors


def test_an_unknown_name_is_a_kind_with_its_name() -> None:
    problems = Problems()
    problems.unknown_name("value", "kk", Span("a.yaml", 1), ["k", "q"])
    problems.unknown_name("key", "zzz", None, ["a", "b"], plural="keys")
    problems.unknown_name("node", "zzz", None, ["a"], "it was taken out")
    assert [(p.message, p.hint, p.kind, p.about) for p in problems] == [
        ("no value is called 'kk'", "did you mean 'k'?", "unknown", "kk"),
        ("no key is called 'zzz'", "keys are a, b", "unknown", "zzz"),
        ("no node is called 'zzz'", "it was taken out", "unknown", "zzz"),
    ]


def test_problems_that_read_alike_are_one() -> None:
    one, other = Problem("wrong", about="a"), Problem("wrong", about="b", kind="missing")
    assert in_file_order([one, other]) == [one]


def test_an_error_whose_text_fails_or_never_ends() -> None:
    class Failing(Exception):
        def __str__(self) -> str:
            raise LookupError

    class Number(Exception):
        def __str__(self) -> str:
            return 3  # type: ignore[return-value]  # as users write

    assert errors.reason_of(Failing()) == "Failing, whose own text fails"
    assert errors.reason_of(Number()) == "Number, whose own text fails"
    assert errors.reason_of(ValueError("x" * 5_000_000)) == "x" * errors.LONGEST_REASON + "..."
