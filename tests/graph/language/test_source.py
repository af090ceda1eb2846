"""Sources: how one is laid over another, and where each part stands."""

from __future__ import annotations

import time
from pathlib import Path

from graph_texts import files, shown

from graphssl.graph.language.load import load
from graphssl.graph.language.source import OF_ANY_SET
from graphssl.graph.spec import Data


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


OWN_SET = (
    "data: {use: imagenet, root: data/imagenet, batch: 64, eval: {resize: 256, crop: 224}, mean: [0.5], workers: 3}\n"
)


def test_another_set_takes_over_nothing_of_where_the_first_lies(tmp_path: Path) -> None:
    kept = {"batch": 64, "eval": {"resize": 256, "crop": 224}, "workers": 3}
    path = files(tmp_path, my="extends: p.yaml\ndata: {use: image_folder, files: list.csv}\n", p=OWN_SET)
    assert load(path).data["data"] == {"use": "image_folder", "files": "list.csv", **kept}
    same = files(tmp_path, my="extends: p.yaml\ndata: {use: imagenet, batch: 32}\n", p=OWN_SET)
    assert load(same).data["data"]["root"] == "data/imagenet"
    mine = files(tmp_path, my="extends: p.yaml\ndata: {use: mine, root: here}\n", p=OWN_SET)
    assert load(mine).data["data"]["root"] == "here"


def test_another_size_takes_over_no_crop_of_evaluation(tmp_path: Path) -> None:
    path = files(tmp_path, my="extends: p.yaml\ndata: {size: 32}\n", p=OWN_SET)
    assert "eval" not in load(path).data["data"]
    assert load(path).data["data"]["root"] == "data/imagenet"
    own = files(tmp_path, my="extends: p.yaml\ndata: {size: 64, eval: {resize: 72, crop: 64}}\n", p=OWN_SET)
    assert load(own).data["data"]["eval"] == {"resize": 72, "crop": 64}


def test_what_several_set_say_is_one(tmp_path: Path) -> None:
    path = files(tmp_path, my=OWN_SET)
    sets = ["data.root=here", "data.eval={resize: 40, crop: 32}", "data.use=image_folder", "data.size=32"]
    expected = {"use": "image_folder", "root": "here", "eval": {"resize": 40, "crop": 32}, "size": 32}
    assert load(path, sets).data["data"] == {**expected, "batch": 64, "workers": 3}
    assert load(path, sets[::-1]).data["data"] == {**expected, "batch": 64, "workers": 3}


def test_what_is_of_any_set_are_options_of_the_section() -> None:
    assert set(OF_ANY_SET) < set(Data.model_fields)


def test_many_keys_are_merged_in_no_long_time(tmp_path: Path) -> None:
    """It looked through all places for each key: minutes for a file of 400 kB."""
    keys = "".join(f" n{i}: {{use: a.b}}\n" for i in range(6000))
    before = load(files(tmp_path, my=f"extends: base.yaml\nnodes:\n{keys}"))
    source = before.copy()
    began = time.process_time()
    source.merge(before)
    assert time.process_time() - began < 2
    assert source.places == before.places
