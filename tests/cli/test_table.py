"""Rows of words in columns."""

from __future__ import annotations

from graphssl.cli.table import table


def test_columns_are_as_wide_as_their_longest_cell_and_lines_end_where_their_words_do() -> None:
    assert table([["a", "b", "c"], ["long", "", ""], ["", "longer", "x"]]) == "a     b       c\nlong\n      longer  x"


def test_a_cell_is_one_line_whatever_it_holds() -> None:
    said = table([["a\nb", "c"], ["\x1b[2J", "\u202ed\t"]])
    assert said == "a\\nb     c\n\\x1b[2J  \\u202ed\\t"
