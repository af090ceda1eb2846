"""Sources: how one is laid over another, and where each part stands."""

from __future__ import annotations

from pathlib import Path

from graph_texts import files, shown

from graphssl.graph.language.load import load


def test_places_of_keys_values_and_entries(tmp_path: Path) -> None:
    path = files(tmp_path, my='a: {b: [x, "long one"], c: 5e-4}   # comment\nd:\n  e: f(x)\n')
    source = load(path)
    assert shown(source, "a", "b", 1) == "long one"
    assert shown(source, "a", "c") == "5e-4"
    assert shown(source, "a", "c", key=True) == "c"
    assert shown(source, "d", "e") == "f(x)"
    assert source.at(("d", "e")).line == 3
    assert shown(source, "d") == "d", "a mapping stands where its key does"
    assert shown(source, "a", "c", "deeper") == "c", "what is not there stands where the section around it does"
    assert source.at(("zz",)).line == 1


def test_columns_count_characters(tmp_path: Path) -> None:
    source = load(files(tmp_path, my="größe: {ä: ö}\n"))
    assert shown(source, "größe", "ä") == "ö"


def test_mappings_merge_null_removes_the_rest_replaces(tmp_path: Path) -> None:
    source = load(files(tmp_path, my="extends: base.yaml\nnodes:\n  a: {x: 2, y: [3]}\n  b: null\n  c: {use: three}\n"))
    assert source.data["nodes"] == {"a": {"use": "one", "x": 2, "y": [3]}, "c": {"use": "three"}}
    assert source.data["graph"] == "base"
    assert "extends" not in source.data


def test_places_lead_to_the_file_that_says_it(tmp_path: Path) -> None:
    path = files(tmp_path, my="extends: base.yaml\nnodes:\n  a: {y: [3]}\n")
    source = load(path)
    assert source.at(("nodes", "a", "use")).file.endswith("base.yaml")
    assert source.at(("nodes", "a", "y", 0)).file == str(path)
    assert source.at(("nodes", "a", "y", 1)).file == str(path), "an entry of the old list is gone"
    assert source.files == (tmp_path / "base.yaml", path)


def test_what_a_null_took_out_is_remembered(tmp_path: Path) -> None:
    path = files(
        tmp_path,
        my="extends: mid.yaml\nnodes: {c: {use: x}}\n",
        mid="extends: base.yaml\nnodes:\n  b: null\n  c: null\n",
        base="nodes: {a: {use: one}, b: {use: two}, c: {use: three}}\n",
    )
    source = load(path, ["nodes.a=null"])
    assert source.removal(("nodes", "b")) == f"it was removed at {tmp_path / 'mid.yaml'}:3"
    assert source.removal(("nodes", "a")) == "it was removed by --set nodes.a=null"
    assert source.removal(("nodes", "c")) is None, "it is there again"
    assert source.removal(("nodes", "d")) is None


def test_another_component_replaces_the_whole_node(tmp_path: Path) -> None:
    source = load(files(tmp_path, my="extends: base.yaml\nnodes: {a: {use: other}}\n"))
    assert source.data["nodes"]["a"] == {"use": "other"}
    source = load(files(tmp_path, my="extends: base.yaml\nnodes: {a: {use: one}}\n"))
    assert source.data["nodes"]["a"]["x"] == 1


def test_another_data_set_keeps_the_batch(tmp_path: Path) -> None:
    path = files(tmp_path, my="extends: p.yaml\ndata: {use: cifar10}\n", p="data: {use: digits, batch: 64}\n")
    assert load(path).data["data"] == {"use": "cifar10", "batch": 64}
