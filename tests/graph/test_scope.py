"""Names that nobody has: what they may have been meant to be, and where what they stood for was removed."""

from __future__ import annotations

from pathlib import Path

from conftest import BYOL, MOCO, Write, problems_of
from wired import read

from graphssl.graph.read import load


def test_a_name_that_is_nearly_right_is_told_wherever_it_stands(write: Write) -> None:
    found = problems_of(read, write, MOCO, ("  q: projector", "  query: projector"), ("critic(q, k,", "critic(qery, k,"), ("queue: push(k)", "queue: push(qery)"))  # fmt: skip
    assert [int(f.split(":")[1]) for f in found] == [15, 20]
    assert all("did you mean 'query'?" in f for f in found)


def variant(write: Write, text: str, *sets: str) -> list[str]:
    write(BYOL, name="base.yaml")
    return problems_of(lambda: load(write(f"extends: base.yaml\n{text}"), sets))


def test_lines_left_over_from_a_removed_node_say_where_it_was_removed(write: Write, tmp_path: Path) -> None:
    use, update = variant(write, "nodes:\n  target: null\n")
    where = f"it was removed at {tmp_path / 'graph.yaml'}:3"
    assert "base.yaml:14:6: no node is called 'target'" in use
    assert f"hint: {where}; change this line too, or take it out with null" in use
    assert "base.yaml:19:3: no node is called 'target'" in update
    assert f"hint: {where}; `target: null` under update: takes this line out too" in update


def test_a_node_removed_from_the_command_line(write: Write) -> None:
    for found in variant(write, "graph: x\n", "nodes.target=null"):
        assert "hint: it was removed by --set nodes.target=null;" in found


def test_what_follows_a_removed_node(write: Write, tmp_path: Path) -> None:
    (found,) = variant(write, "nodes: {projector: null}\nflow: {p: predictor(encoder(x))}\n")
    assert "base.yaml:8:46: no node is called 'projector'" in found
    assert f"hint: it was removed at {tmp_path / 'graph.yaml'}:2" in found


def test_what_uses_a_removed_value(write: Write, tmp_path: Path) -> None:
    (found,) = variant(write, "flow: {z: null}\n")
    assert "base.yaml:15:16: no value is called 'z'" in found
    assert f"hint: it was removed at {tmp_path / 'graph.yaml'}:2; change this line too" in found
