"""Graph files by name: paths, packaged graphs, and names that are nearly right."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import problems_of
from graph_texts import files

from graphssl.graph.language.load import load
from graphssl.graph.language.packaged import packaged


def test_places_that_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files(tmp_path, my="a: 1\n")
    assert "did you mean 'my.yaml'?" in problems_of(load, "mi.yaml")[0]
    assert "did you mean the packaged graph 'byol'?" in problems_of(load, "nowhere/byol.yaml")[0]
    assert "did you mean 'byol'?" in problems_of(load, "byoll")[0]
    assert "is a folder" in problems_of(load, ".")[0]
    assert "there is no graph file ''" in problems_of(load, "")[0] or "folder" in problems_of(load, "")[0]


def test_packaged_graphs_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert {"byol", "simclr", "moco_v2"} <= set(packaged())
    assert load("byol").data["graph"] == "byol"


def test_a_file_beside_wins_over_a_packaged_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "byol").write_text("graph: mine\n")
    assert load("byol").data == {"graph": "mine"}
