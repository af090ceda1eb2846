"""Graph files: what they extend, what is no graph file, and that all that is wrong is told together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import SIMCLR, Write, problems_of
from graph_texts import files

import graphssl
from graphssl.errors import GraphError
from graphssl.graph.language.load import load

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


def test_loading_runs_no_code(tmp_path: Path) -> None:
    path = files(tmp_path, my="a: !!python/object/apply:os.system ['touch stolen']\n")
    with pytest.raises(GraphError):
        load(path)
    assert not (tmp_path / "stolen").exists()


def test_files_that_nobody_waits_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "my.yaml").write_text("extends: [pipe.yaml, zero.yaml]\n")
    for name, what in (("pipe", "a pipe"), ("zero", "a device")):
        (found,) = problems_of(load, tmp_path / f"{name}.yaml")
        assert f"{name}.yaml' is {what}, not a graph file" in found
    assert len(problems_of(load, tmp_path / "my.yaml")) == 2


@pytest.mark.parametrize("name", ["x" * 300, "x" * 5000, "a\0b"])
def test_names_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    assert "there is no graph file" in problems_of(load, name)[0]
    assert "there is no graph file" in problems_of(load, f"{name}.yaml")[0]
    if "\0" not in name:
        (tmp_path / "my.yaml").write_text(f"extends: {name}\n")
        assert "to extend" in problems_of(load, tmp_path / "my.yaml")[0]


def test_a_diamond_is_read_once_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2^30 ways lead down. Later ones win with all that they have: so does d1's batch, by way of b2."""
    (tmp_path / "d0.yaml").write_text("train: {epochs: 1, seed: 5}\n")
    for i in range(1, 31):
        (tmp_path / f"a{i}.yaml").write_text(f"extends: d{i - 1}.yaml\ndata: {{batch: {i}}}\n")
        (tmp_path / f"b{i}.yaml").write_text(f"extends: d{i - 1}.yaml\ntrain: {{epochs: {i}}}\n")
        (tmp_path / f"d{i}.yaml").write_text(f"extends: [a{i}.yaml, b{i}.yaml]\n")
    source = load(tmp_path / "d30.yaml")
    assert source.data == {"train": {"epochs": 30, "seed": 5}, "data": {"batch": 1}}
    assert source.at(("train", "epochs")).file == str(tmp_path / "b30.yaml")
    assert len(source.files) == 91


def test_what_one_file_removes_another_still_has(tmp_path: Path) -> None:
    """A file that two extend is merged with each by itself."""
    (tmp_path / "base.yaml").write_text("nodes: {a: {use: x}, b: {use: y}}\n")
    (tmp_path / "one.yaml").write_text("extends: base.yaml\nnodes: {a: null, b: {size: 3}}\n")
    (tmp_path / "two.yaml").write_text("extends: base.yaml\n")
    (tmp_path / "my.yaml").write_text("extends: [one.yaml, two.yaml]\n")
    assert load(tmp_path / "my.yaml").data["nodes"] == {"a": {"use": "x"}, "b": {"use": "y", "size": 3}}
    assert load(tmp_path / "two.yaml").data["nodes"] == {"a": {"use": "x"}, "b": {"use": "y"}}
    assert load(tmp_path / "one.yaml").data["nodes"] == {"b": {"use": "y", "size": 3}}


@pytest.mark.parametrize(("length", "refused"), [(60, False), (70, True), (2000, True)])
def test_a_long_chain(tmp_path: Path, length: int, refused: bool) -> None:
    (tmp_path / "0.yaml").write_text("graph: x\n")
    for i in range(1, length):
        (tmp_path / f"{i}.yaml").write_text(f"extends: {i - 1}.yaml\n")
    if not refused:
        assert load(tmp_path / f"{length - 1}.yaml").data == {"graph": "x"}
        return
    (found,) = problems_of(load, tmp_path / f"{length - 1}.yaml")
    assert "64 in a row are the most" in found


def test_very_many_files(tmp_path: Path) -> None:
    for i in range(300):
        (tmp_path / f"{i}.yaml").write_text("graph: x\n")
    names = ", ".join(f"{i}.yaml" for i in range(300))
    (tmp_path / "my.yaml").write_text(f"extends: [{names}]\n")
    (found,) = problems_of(load, tmp_path / "my.yaml")
    assert "extends more than 256 files" in found


def test_a_name_that_no_folder_can_have(write: Write) -> None:
    (found,) = problems_of(graphssl.load, write(SIMCLR, ("graph: simclr", f"graph: {'x' * 300}")))
    assert "'graph' has 300 characters: 200 are the most" in found
