"""Graph files as text: strict YAML with places, `extends`, `--set`."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import MOCO, problems_of

from graphssl.errors import GraphError
from graphssl.language import yaml
from graphssl.language.dump import dump
from graphssl.language.load import load
from graphssl.language.packaged import packaged
from graphssl.language.source import Source

FILES = {
    "base.yaml": "graph: base\nnodes:\n  a: {use: one, x: 1, y: [1, 2]}\n  b: {use: two}\nflow: {v: a(batch.image)}\n",
    "more.yaml": "train: {epochs: 3, optimizer: {use: sgd, lr: 1}}\n",
}


def files(folder: Path, **texts: str) -> Path:
    for name, text in {**FILES, **{f"{k}.yaml": v for k, v in texts.items()}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "my.yaml"


def shown(source: Source, *path: str | int, key: bool = False) -> str:
    span = source.at(path, key)
    return span.text[span.column - 1 :][: span.length]


# -- YAML --------------------------------------------------------------------------------------------------------

SCALARS = [
    ("5e-4", 5e-4), ("1e5", 1e5), ("5", 5), ("-3", -3), ("+2", 2), ("0.1", 0.1), (".5", 0.5), ("5.", 5.0), ("007", 7),
    ("0x1F", 31), ("0o17", 15), ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
    ("no", "no"), ("on", "on"), ("yes", "yes"), ("1_000", "1_000"), ("12:30", "12:30"), ("'5'", "5"), ('"no"', "no"),
    ("2026-01-01", "2026-01-01"), ("1.0.0", "1.0.0"), ("0b1", "0b1"), ("e5", "e5"), ("critic(q, k)", "critic(q, k)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS, ids=[s[0] for s in SCALARS])
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = yaml.read(f"key: {text}\n", "a.yaml").data["key"]
    assert found == value
    assert type(found) is type(value)


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


WRONG = [
    ("duplicate key", "a: 1\nb: 2\na: 3\n", ":3:1: the key 'a' stands twice", "in line 1 already"),
    ("duplicate in braces", "a: {b: 1, b: 2}\n", ":1:11: the key 'b' stands twice", "on this line"),
    ("tab", "a:\n\tb: 1\n", ":2:1: a tab: YAML is indented with spaces", ""),
    ("tab after spaces", "a:\n  b: 1\n  \tc: 2\n", ":3:3: a tab", ""),
    ("alias", "a: &x 1\nb: *x\n", "anchors such as &x", "extends:"),
    ("tag", "a: !!python/object:os.system {}\n", "tags such as", ""),
    ("infinite", "a: .inf\n", "a number is finite", ""),
    ("not a number", "a: .nan\n", "a number is finite", ""),
    ("too large", "a: 1e999\n", "too large", ""),
    ("two documents", "a: 1\n---\nb: 1\n", "one document", "'---'"),
    ("colon in a value", "a: b: c\n", ":1:5: this is not YAML", "quotes"),
    ("open brace", "a: {b: 1\nc: 2\n", "this is not YAML", "not closed"),
    ("bad indent", "a:\n    b: 1\n  c: 2\n", ":3:", "same column"),
    ("key of a list", "[a, b]: 1\n", "a key is a word", ""),
    ("expression in braces", "a: {value: f(x, y), weight: 2}\n", "a piece of an expression", "needs quotes"),
    ("control character", "a: b\x01c\n", ":1:5: the character U+0001", ""),
    ("a bare value", "just text\n", "a graph file is a mapping", "graphssl new"),
    ("a list", "- a\n- b\n", "a graph file is a mapping", ""),
    ("empty", "", "the file is empty", "graphssl new"),
    ("only a comment", "# nothing\n", "the file is empty", ""),
    ("deep", "a: " + "[" * 1000, "nested too deeply", ""),
    ("percent", "a: %x\n", "this is not YAML", "needs quotes"),
    ("at sign", "a: @x\n", "this is not YAML", "needs quotes"),
]


@pytest.mark.parametrize(("text", "message", "hint"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_what_is_refused(tmp_path: Path, text: str, message: str, hint: str) -> None:
    path = files(tmp_path, my=text)
    found = problems_of(load, path)
    assert any(message in f and hint in f for f in found), found
    assert all(f.startswith(f"{path}:") for f in found)


def test_several_problems_of_one_file_are_told_together(tmp_path: Path) -> None:
    found = problems_of(load, files(tmp_path, my="a: 1\na: 2\nb: .inf\nc: &x 3\n"))
    assert [int(f.split(":")[1]) for f in found] == [2, 3, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "no text in UTF-8"),
        (b"a: \xff\n", "byte 0xff"),
        (b"\x00" * 100, "the character U+0000"),
        (b"a: 1\n" * 2_000_000, "this is no graph file"),
        (b"# " + b"x" * 500_000, "characters: this is no graph file"),
    ],
    ids=["png", "latin", "zeros", "10 MB", "long line"],
)
def test_files_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    (found,) = problems_of(load, path)
    assert message in found
    assert found.startswith(str(path))


def test_a_byte_order_mark_and_carriage_returns_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: {c: 2}\r\n")
    assert load(path).data == {"a": 1, "b": {"c": 2}}


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


# -- extends -----------------------------------------------------------------------------------------------------


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


def test_of_several_files_later_ones_win(tmp_path: Path) -> None:
    path = files(tmp_path, my="extends: [base.yaml, more.yaml, sub/last.yaml]\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/last.yaml").write_text("extends: ../more.yaml\ntrain: {epochs: 9}\n")
    source = load(path)
    assert source.data["train"] == {"epochs": 9, "optimizer": {"use": "sgd", "lr": 1}}
    assert [p.name for p in source.files] == ["base.yaml", "more.yaml", "last.yaml", "my.yaml"]


def test_a_packaged_graph_can_be_extended_by_name(tmp_path: Path) -> None:
    assert load(files(tmp_path, my="extends: byol\ngraph: mine\n")).data["graph"] == "mine"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("extends: my.yaml\n", "a graph extends itself: ", "my.yaml"),
        ("extends: other.yaml\n", "a graph extends itself: ", "other.yaml"),
        ("extends: bass.yaml\n", "there is no graph file 'bass.yaml' to extend", "base.yaml'?"),
        ("extends: 5\n", "takes a file, or a list of files", "../byol.yaml"),
        ("extends: [base.yaml, {a: 1}]\n", "takes a file, or a list of files", ""),
        ("extends: broken.yaml\n", "the key 'a' stands twice", ""),
    ],
)
def test_what_cannot_be_extended(tmp_path: Path, text: str, message: str, hint: str) -> None:
    path = files(tmp_path, my=text, other="extends: ./my.yaml\n", broken="a: 1\na: 2\n")
    found = problems_of(load, path)
    assert any(message in f and hint in f for f in found), found


# -- --set -------------------------------------------------------------------------------------------------------


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


# -- writing -----------------------------------------------------------------------------------------------------


def test_dump_reads_back(tmp_path: Path) -> None:
    data = yaml.read(MOCO, "moco").data
    data["odd"] = {
        "texts": ["5", "no", "null", "", "a: b", "1e5", "[x", "ä", "two\nlines", "#", "~", " x "],
        "numbers": [1e-9, 5, -0.25, 1e30, True, None],
        "empty": {}, "nested": {"a": [{"b": 1}]},
    }  # fmt: skip
    data["plain"], data["list"], data["nothing"] = "text", [1, "2"], {}
    text = dump(data)
    assert yaml.read(text, "again").data == data
    assert "  q: projector(encoder(x[0]))\n" in text


def test_loading_runs_no_code(tmp_path: Path) -> None:
    path = files(tmp_path, my="a: !!python/object/apply:os.system ['touch stolen']\n")
    with pytest.raises(GraphError):
        load(path)
    assert not (tmp_path / "stolen").exists()
