"""A grid of what goes together as text: a mark for each cell, and the reasons below."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ..errors import Problem

__all__ = ["grid_table"]

Column = TypeVar("Column")


def grid_table(
    rows: Sequence[tuple[tuple[str, str], Mapping[Column, Problem]]],
    columns: Sequence[Column],
    called: Callable[[Column], str],
) -> str:
    """A line for each row's two names with what its cells are refused for, under a letter for each column."""
    reasons: dict[str, tuple[int, str]] = {}
    lines = []
    for (one, other), refused in rows:
        marks = [_mark(refused[column], reasons) if column in refused else "+" for column in columns]
        lines.append((one, other, " ".join(f"{mark:>2}" for mark in marks)))
    wide = [max(len(line[i]) for line in lines) for i in range(2)]
    names = [f"  {_letter(i)}  {called(column)}" for i, column in enumerate(columns)]
    head = f"{'':{wide[0]}}  {'':{wide[1]}}  " + " ".join(f"{_letter(i):>2}" for i in range(len(columns)))
    body = [f"{one:{wide[0]}}  {other:{wide[1]}}  {marks}" for one, other, marks in lines]
    why = [f"  {number}  {reason}" for number, reason in reasons.values()]
    return "\n".join([*names, "", head, *body, "", "+ runs; refused with a reason:", *why])


def _mark(problem: Problem, reasons: dict[str, tuple[int, str]]) -> str:
    """The number of a reason, in words that hold in every cell; the first one's numbers stand for others."""
    reason = problem.reason or problem.message
    return str(reasons.setdefault(re.sub(r"\d+", "0", reason), (len(reasons) + 1, reason))[0])


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else str(number)
