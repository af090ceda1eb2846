"""Lists of picture files: a path a line, or a table with the columns path, label and split.

In `.csv` the first line names the columns, in any order: `path`; `label`, where there are labels, a class's name or
number, empty where it is unknown; `split`, `train` or `test` (or `val` ...). Other columns are passed over. Any other
file is a path a line, without labels; empty lines are passed over. Paths are relative to `root`, or without one to the
folder of the list. The files come in the list's order.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import RunError, suggest
from .files import Part
from .folder import HELD_OUT_FOLDERS, SUFFIXES

__all__ = ["ListError", "Listed", "is_list", "read_list", "refuse_missing"]

COLUMNS = ("path", "label", "split")


class ListError(RunError):
    """What is wrong with a list, and in which line."""


class Listed(NamedTuple):
    """train, test: the files of each split, in order. lines: of the list, of the training files."""

    train: Part
    test: Part
    lines: list[int]


class _Row(NamedTuple):
    line: int
    path: str
    label: str
    split: str


def is_list(path: str) -> bool:
    """Whether it names a list rather than a folder."""
    name = path.lower()
    return name.endswith((".txt", ".csv")) or (not name.endswith(SUFFIXES) and Path(path).expanduser().is_file())


def read_list(path: str, root: str | None, *, labels: bool = True) -> Listed:
    """The files that a list names; whether they are there is not looked at. Raises ListError with the first line that
    is wrong.
    """
    file = Path(path).expanduser()
    base = Path(root).expanduser() if root is not None else file.parent
    try:
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            rows = list(_of_table(text, path) if path.lower().endswith(".csv") else _of_lines(text))
    except OSError as error:
        raise ListError(f"the list '{path}' cannot be read: {error.strerror or error}") from error
    except csv.Error as error:
        raise ListError(f"the list '{path}' is no table: {error}") from error
    train, test = ([row for row in rows if (row.split == "train") is wanted] for wanted in (True, False))
    if not train:
        raise ListError(f"the list '{path}' names no training picture")
    return Listed(_part(train, base, labels), _part(test, base, labels), [row.line for row in train])


def refuse_missing(path: str, listed: Listed, most: int | None = None) -> None:
    """Raises ListError for the first training file that is not there. most: how many are looked for; default: all."""
    for line, name in zip(listed.lines[:most], listed.train.paths, strict=False):
        if not os.path.isfile(name):
            raise ListError(f"the list '{path}', line {line:,}: there is no file '{name}'")


def _part(rows: Sequence[_Row], base: Path, labels: bool) -> Part:
    paths = [os.path.join(base, os.path.expanduser(row.path)) for row in rows]
    return Part(paths, [row.path for row in rows], [row.label if labels else "" for row in rows])


def _of_lines(text: Iterator[str]) -> Iterator[_Row]:
    for number, line in enumerate(text, 1):
        if line.strip():
            yield _Row(number, line.strip(), "", "train")


def _of_table(text: Iterator[str], path: str) -> Iterator[_Row]:
    rows = csv.reader(text, strict=True)
    head = [name.strip().lower() for name in next(rows, [])]
    _check_columns(head, path)
    for row in rows:
        if not row:
            continue
        at = f"the list '{path}', line {rows.line_num:,}"
        if len(row) != len(head):
            raise ListError(f"{at}: {len(row)} columns, and the first line names {len(head)}: {', '.join(head)}")
        values = dict(zip(head, (value.strip() for value in row), strict=True))
        if not values["path"]:
            raise ListError(f"{at}: the path is empty")
        split = values.get("split", "train").lower() or "train"
        if split not in ("train", *HELD_OUT_FOLDERS):
            raise ListError(f"{at}: no split is called '{split}'; {suggest(split, ('train', *HELD_OUT_FOLDERS))}")
        yield _Row(rows.line_num, values["path"], values.get("label", ""), split)


def _check_columns(head: Sequence[str], path: str) -> None:
    for name in head:
        near = suggest(name, [column for column in COLUMNS if column not in head]).near
        if name not in COLUMNS and near is not None:
            raise ListError(f"the list '{path}', line 1: no column is called '{name}'; did you mean '{near}'?")
    if "path" not in head:
        raise ListError(
            f"the list '{path}', line 1: no column is called 'path'. The first line names the columns: path, and where "
            "there are such label and split"
        )
    if twice := next((name for name in head if head.count(name) > 1 and name in COLUMNS), None):
        raise ListError(f"the list '{path}', line 1: the column '{twice}' is there twice")
