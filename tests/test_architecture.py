"""The house: docs/architecture.md says what stands where, and files and functions are short enough to read."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from test_layers import ROOMS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text()
SOURCES = sorted((ROOT / "graphssl").rglob("*.py"))


def tree() -> dict[str, str]:
    """The folders and files of the page's tree, each with what it says of it."""
    (block,) = re.findall(r"```\n(graphssl/ .*?)```", PAGE, re.DOTALL)
    found: dict[str, str] = {}
    above: list[str] = []
    for line in block.splitlines():
        indent, name, words = re.fullmatch(r"( *)(\S+) +(.+)", line).groups()  # type: ignore[union-attr]
        above = [*above[: len(indent) // 2], name.rstrip("/")]
        found["/".join(above)] = words
    return found


def lengths() -> Iterator[tuple[str, int]]:
    """Of each function, its lines without its docstring."""
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                said = 0 if ast.get_docstring(node) is None else (first.end_lineno or 0) - first.lineno + 1
                yield f"{file.name}:{node.name}", (node.end_lineno or 0) - node.lineno + 1 - said


def test_the_tree_has_every_room_and_no_other() -> None:
    rooms = {p.parent for p in SOURCES if p.name == "__init__.py"} - {ROOT / "graphssl"}
    files = {p for p in (ROOT / "graphssl").glob("*.py") if p.name != "__init__.py"}
    there = {str(p.relative_to(ROOT)) for p in rooms | files} | {"graphssl", "components", "graphs", "reproductions"}
    assert set(tree()) == there
    assert all(len(words) > 10 for words in tree().values())


def test_the_tree_is_in_the_order_of_imports() -> None:
    names = [Path(path).stem for path in tree() if path.count("/") == 1]
    assert names == ROOMS


def test_every_file_of_a_journey_is_there() -> None:
    named = set(re.findall(r"`((?:graphssl|components|graphs)/[\w/]+\.py)`", PAGE))
    assert len(named) > 30
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
    folders = set(re.findall(r"`((?:graphssl|components|graphs)/[\w/]*)`", PAGE))
    assert [name for name in sorted(folders) if not (ROOT / name).is_dir()] == []


@pytest.mark.parametrize("section", ["compiled step", "state's update", "message"])
def test_a_journey_goes_one_way(section: str) -> None:
    """Its steps are numbered from 1, and each names a file that it passes."""
    text = PAGE.partition(f"{section}\n")[2].partition("\n## ")[0]
    steps = re.split(r"^\d+\. ", text, flags=re.MULTILINE)[1:]
    numbers = [int(n) for n in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
    assert numbers[0] == 1
    assert all(b == a + 1 for a, b in pairwise(numbers))
    assert sum("`graphssl/" in step for step in steps) >= len(steps) - 1


def test_the_top_level_can_be_taken_in_at_a_glance() -> None:
    top = [p for p in (ROOT / "graphssl").iterdir() if p.name != "__pycache__"]
    assert sum(p.is_dir() or p.suffix == ".py" for p in top) <= 22


def test_files_can_be_read_in_one_sitting() -> None:
    sizes = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in SOURCES}
    assert {name: size for name, size in sizes.items() if size > 300} == {}
    assert statistics.median(sizes.values()) <= 120
    assert sorted(sizes.values())[int(0.9 * len(sizes))] <= 220


def test_functions_do_one_thing() -> None:
    sizes = dict(lengths())
    assert {name: size for name, size in sizes.items() if size > 40} == {}
    assert statistics.median(sizes.values()) <= 7
    assert sorted(sizes.values())[int(0.9 * len(sizes))] <= 25


def test_every_file_says_what_it_is() -> None:
    """But for rooms whose name says it all."""
    silent = [p for p in SOURCES if p.read_text().strip() and not ast.get_docstring(ast.parse(p.read_text()))]
    assert [str(p.relative_to(ROOT)) for p in silent] == []
