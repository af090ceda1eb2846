"""Lists of picture files: a path a line, or a table with the columns path, label and split.

In `.csv` the first line names the columns, in any order: `path`; `label`, where there are labels, a class's name or
number, empty where it is unknown; `split`, `train` or `test` (or `val` ...). Other columns are passed over. Any other
file is a path a line, without labels; empty lines are passed over. Paths are relative to `root`, or without one to the
folder of the list. The files come in the list's order.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import RunError, suggest
from ..files import home
from .decode import BadImageError
from .decoding.bounds import opened
from .files import Part
from .folder import HELD_OUT_FOLDERS, SUFFIXES
from .walk import real_path

__all__ = ["ListError", "Listed", "is_list", "read_list", "refuse_missing"]

MOST = 1 << 32  # bytes of a list
COLUMNS = ("path", "label", "split")
OTHERS = {";": "a semicolon", "\t": "a tab", "|": "a bar"}  # what else separates columns


class ListError(RunError):
    """What is wrong with a list, and in which line."""


class Listed(NamedTuple):
    """train, test: the files of each split, in order, each once. lines: of the list, of the training files.

    again: files that stand there more than once, with the line.
    """

    train: Part
    test: Part
    lines: list[int]
    again: list[str]


class _Row(NamedTuple):
    line: int
    path: str
    label: str
    split: str


_Placed = tuple[_Row, str, str]  # with its path, and that without links


def is_list(path: str) -> bool:
    """Whether it names a list rather than a folder."""
    name = path.lower()
    return name.endswith((".txt", ".csv")) or (not name.endswith(SUFFIXES) and os.path.isfile(home(path)))


def read_list(path: str, root: str | None, *, labels: bool = True, held_out: bool = False) -> Listed:
    """The files that a list names; whether they are there is not looked at. held_out: it needs none to train on.

    Raises ListError with the first line that is wrong.
    """
    file = home(path)
    base = home(root) if root is not None else file.parent
    rows, again = _once(path, _rows(path, file), base, labels)
    train, test = ([row for row in rows if (row[0].split == "train") is wanted] for wanted in (True, False))
    if not train and not (held_out and test):
        raise ListError(f"the list '{path}' names no training picture")
    return Listed(_part(train, labels), _part(test, labels), [row.line for row, *_ in train], again)


def _rows(path: str, file: Path) -> list[_Row]:
    try:
        with opened(str(file)) as there:
            start: BinaryIO = there
            if not (size := os.fstat(there.fileno()).st_size):
                start = io.BytesIO()  # a file under /proc, too, which may never end
            _refuse_wide(path, start.read(4))
            if size > MOST:
                raise ListError(f"the list '{path}' has {size / 1e9:,.1f} GB; a list may have {MOST / 1e9:,.1f} GB")
            start.seek(0)
            text = io.TextIOWrapper(start, encoding="utf-8-sig", errors="surrogateescape", newline="")
            return list(_of_table(text, path) if path.lower().endswith(".csv") else _of_lines(text))
    except BadImageError as error:  # a pipe, a device
        raise ListError(f"the list '{path}' cannot be read: {error}") from error
    except OSError as error:
        raise ListError(f"the list '{path}' cannot be read: {error.strerror or error}") from error


def _refuse_wide(path: str, start: bytes) -> None:
    """Raises ListError for text of two bytes a letter, as some tables are exported."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in start:
        raise ListError(f"the list '{path}' is in UTF-16, or no text: save it as UTF-8")


def _once(path: str, rows: Sequence[_Row], base: Path, labels: bool) -> tuple[list[_Placed], list[str]]:
    """Each file once, with its path and the real one, and which come again. Raises ListError where two rows of one
    file say two things.
    """
    folders: dict[str, str] = {}
    known: dict[str, _Placed] = {}
    again = []
    for row in rows:
        where = os.path.join(base, os.path.expanduser(row.path))
        folder = os.path.dirname(where)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        real = real_path(where, folders[folder])
        first = known.setdefault(real, (row, where, where if real == where else real))[0]
        if first is row:
            continue
        again.append(f"{row.path} (line {row.line:,}, and line {first.line:,})")
        two = [(name, *values) for name, *values in _both(first, row, labels) if values[0] != values[1]]
        for name, one, other in two:
            raise ListError(
                f"the list '{path}': '{row.path}' is of the {name} '{one}' in line {first.line:,}, and '{other}' in "
                f"line {row.line:,}: leave one of them out"
            )
        if row.label and not first.label:
            known[real] = (first._replace(label=row.label), *known[real][1:])
    return list(known.values()), again


def _both(first: _Row, second: _Row, labels: bool) -> Iterator[tuple[str, str, str]]:
    """What two rows of one file say."""
    splits = ("train" if row.split == "train" else "test" for row in (first, second))
    yield ("split", *splits)  # type: ignore[misc]  # of two
    if labels and first.label and second.label:
        yield "label", first.label, second.label


def refuse_missing(path: str, listed: Listed, most: int | None = None) -> None:
    """Raises ListError for the first training file that is not there. most: how many are looked for; default: all."""
    for line, name in zip(listed.lines[:most], listed.train.paths, strict=False):
        if not os.path.isfile(name):
            raise ListError(f"the list '{path}', line {line:,}: there is no file '{name}'")


def _part(rows: Sequence[_Placed], labels: bool) -> Part:
    return Part(
        [where for _, where, _ in rows],
        [row.path for row, *_ in rows],
        [row.label if labels else "" for row, *_ in rows],
        [real for *_, real in rows],
    )


def _of_lines(text: Iterator[str]) -> Iterator[_Row]:
    for number, line in enumerate(text, 1):
        if line.strip():
            yield _Row(number, line.strip(), "", "train")


def _of_table(text: Iterator[str], path: str) -> Iterator[_Row]:
    rows = csv.reader(text, strict=True)
    ended = 0  # the line in which the row before ends
    try:
        head = [name.strip().lower() for name in next(rows, [])]
        ended = rows.line_num
        _check_columns(head, path)
        for row in rows:
            ended = rows.line_num
            if row:
                yield _row(head, row, ended, path)
    except csv.Error as error:
        raise ListError(
            f"the list '{path}', line {ended + 1:,}: a quotation mark that opens there has none that "
            f"closes it before a comma or the end ({error})"
        ) from error


def _row(head: Sequence[str], row: Sequence[str], line: int, path: str) -> _Row:
    at = f"the list '{path}', line {line:,}"
    if len(row) != len(head):
        raise ListError(f"{at}: {len(row)} columns, and the first line names {len(head)}: {', '.join(head)}")
    values = dict(zip(head, (value.strip() for value in row), strict=True))
    if long := next((value for value in values.values() if "\n" in value), None):
        first = line - long.count("\n")
        raise ListError(
            f"the list '{path}', line {first:,}: a quotation mark opens there that is closed in line {line:,}"
        )
    if not values["path"]:
        raise ListError(f"{at}: the path is empty")
    split = values.get("split", "train").lower() or "train"
    if split not in ("train", *HELD_OUT_FOLDERS):
        raise ListError(f"{at}: no split is called '{split}'; {suggest(split, ('train', *HELD_OUT_FOLDERS))}")
    return _Row(line, values["path"], values.get("label", ""), split)


def _check_columns(head: Sequence[str], path: str) -> None:
    if len(head) == 1 and (apart := next((sign for sign in OTHERS if sign in head[0]), None)):
        raise ListError(
            f"the list '{path}', line 1: the columns are separated by {OTHERS[apart]}: they should be by a comma; it "
            f"has {head[0]!r}"
        )
    there = f"; it has {', '.join(map(repr, head))}" if any(head) else "; it is empty"
    for name in head:
        near = suggest(name, [column for column in COLUMNS if column not in head]).near
        if name not in COLUMNS and near is not None:
            raise ListError(f"the list '{path}', line 1: no column is called '{name}'; did you mean '{near}'?")
    if "path" not in head:
        raise ListError(
            f"the list '{path}', line 1: no column is called 'path'. The first line names the columns: path, and where "
            f"there are such label and split{there}"
        )
    if twice := next((name for name in head if head.count(name) > 1 and name in COLUMNS), None):
        raise ListError(f"the list '{path}', line 1: the column '{twice}' is there twice")
