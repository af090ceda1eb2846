"""Changes by `--set`: what they change, where they stand, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import problems_of
from graph_texts import FILES, files, shown

from graphssl.graph.language.load import load


def test_changes_of_every_kind(tmp_path: Path) -> None:
    path = files(tmp_path, my=FILES["base.yaml"])
    source = load(
        path, ["nodes.a.x=5e-4", "nodes.b={use: three, k: no}", "nodes.a.y=null", "train.epochs=2", "flow.w=f(x, y)"]
    )
    assert source.data["nodes"] == {"a": {"use": "one", "x": 5e-4}, "b": {"use": "three", "k": "no"}}
    assert source.data["train"] == {"epochs": 2}
    assert source.data["flow"]["w"] == "f(x, y)"


def test_a_change_has_a_place(tmp_path: Path) -> None:
    source = load(files(tmp_path, my=FILES["base.yaml"]), ["nodes.b={use: three, k: no}"])
    span = source.at(("nodes", "b", "k"))
    assert (span.file, shown(source, "nodes", "b", "k")) == ("--set", "no")
    assert shown(source, "nodes", "b", key=True) == "nodes.b"


@pytest.mark.parametrize("change", ["nodes", "=5", "a..b=1", ".=1"])
def test_changes_that_are_none(tmp_path: Path, change: str) -> None:
    (found,) = problems_of(load, files(tmp_path, my="a: 1\n"), [change])
    assert "a change is written KEY=VALUE" in found
    assert "--set nodes.queue.size=65536" in found


def test_an_entry_of_a_list_cannot_be_changed_alone(tmp_path: Path) -> None:
    (found,) = problems_of(load, files(tmp_path, my=FILES["base.yaml"]), ["nodes.a.y.0=3"])
    assert "an entry of a list has no key of its own" in found
    assert "hint: change the whole list: --set nodes.a.y=[...]" in found


def test_a_change_with_a_broken_value(tmp_path: Path) -> None:
    found = problems_of(load, files(tmp_path, my="a: 1\n"), ["a={b: 1", "c={d: 1, d: 2}"])
    assert len(found) == 2
