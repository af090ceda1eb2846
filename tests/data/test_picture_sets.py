"""Pictures as they lie: several roots, folders that are no classes, lists, and what is held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SIMCLR, Write, problems_of
from picture_files import OPEN, closing, picture, seen, write_folder

from graphssl import api
from graphssl.api import check
from graphssl.data import facts, open_data
from graphssl.errors import RunError
from graphssl.graph import spec
from graphssl.graph.read import load

_closing = pytest.fixture(autouse=True)(closing)


def config(**values: Any) -> spec.Data:
    given = {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
    return spec.Data.model_validate({"use": "image_folder", "size": 16, "batch": 4, "workers": 0, **given})


def opened(**values: Any) -> Any:
    """The open set; its facts say as many samples and classes as there are."""
    data = open_data(config(**values), torch.device("cpu"), 0)
    OPEN.append(data)
    known = facts(config(**values))
    assert (known.samples, known.classes) == (data.train.samples, len(data.classes) or None)
    assert known.fewer_than(data.train.samples + 1) == data.train.samples
    assert known.fewer_than(data.train.samples) is None
    return data


def names(data: Any, split: str = "_train") -> list[str]:
    files = getattr(data, split)
    paths = (getattr(files, "files", None) or files._files).paths
    return [paths[i] for i in range(len(paths))]


def flat(folder: Path, n: int = 10, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + n):
        picture(i).save(folder / f"{i:03d}.png")
    return folder


# -- folders ---------------------------------------------------------------------------------------------------------


def test_a_flat_folder_trains_from_a_line_and_is_not_judged(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flat(tmp_path / "pictures", 20)
    line = "data: {use: image_folder, root: pictures, size: 32, batch: 8}"
    path = write(SIMCLR, ("data: {use: digits, batch: 16}", line), ("epochs: 2,", "epochs: 1, compile: off,"))
    said: list[str] = []
    result = api.run(path, device="cpu", report=said.append)
    assert result.outcome.step == 2
    assert any("the data set has no labels" in line for line in said)


def test_nested_folders(tmp_path: Path) -> None:
    for name in ("a/x/deep", "a/y", "b/x"):
        flat(tmp_path / name, 5, first=len(name) * 10)
    data = opened(root=tmp_path)
    assert (data.classes, data.train.samples, data.held_out) == (("a", "b"), 13, 2)
    plain = opened(root=tmp_path, labels="none")
    assert (plain.classes, plain.train.samples, plain.held_out) == ((), 13, 2)
    assert next(plain.train.epoch(0)).label.tolist() == [-1] * 4


def test_without_labels_pictures_beside_folders_count(tmp_path: Path) -> None:
    write_folder(tmp_path, ("train", "val"), each=4)
    picture(0).save(tmp_path / "train" / "loose.jpg")
    data = opened(root=tmp_path, labels="none")
    assert (data.train.samples, data.held_out, data.classes) == (9, 8, ())
    assert names(data)[-1].endswith("loose.jpg")


def test_several_roots(tmp_path: Path) -> None:
    write_folder(tmp_path / "one", ("train", "test"), ("ant", "bee"), each=4)
    write_folder(tmp_path / "two", ("",), ("bee", "cow"), each=10)
    flat(tmp_path / "three", 10)
    roots = [str(tmp_path / name) for name in ("one", "two", "three")]
    data = opened(root=roots)
    assert (data.classes, data.train.samples, data.held_out) == (("ant", "bee", "cow"), 8 + 18 + 9, 8 + 2 + 1)
    (whole,) = data.reference(100)
    assert torch.bincount(whole.label).tolist() == [4, 13, 9], "unlabelled pictures are no reference"
    assert torch.equal(whole.image[0], seen(tmp_path / "one/train/ant/000.jpg", 16))
    assert opened(root=roots[:1]).fingerprint == opened(root=roots[0]).fingerprint != data.fingerprint


# -- what is held out ------------------------------------------------------------------------------------------------


def test_how_much_is_held_out(tmp_path: Path) -> None:
    write_folder(tmp_path, ("",), each=20)
    assert (opened(root=tmp_path).train.samples, opened(root=tmp_path, held_out=0.1).fingerprint) == (
        36, opened(root=tmp_path).fingerprint,
    )  # fmt: skip
    data = opened(root=tmp_path, held_out=0.25)
    assert (data.train.samples, data.held_out) == (30, 10)
    assert set(names(opened(root=tmp_path), "_test")) < set(names(data, "_test")), "a larger share holds the smaller"
    data = opened(root=tmp_path, held_out="none")
    assert (data.train.samples, data.held_out) == (40, 0)
    assert opened(root=tmp_path, held_out=0.99, batch=2).train.samples == 2, "of each class one is left"


def test_nothing_is_held_out_and_so_nothing_is_judged(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "pictures", ("",), each=8)
    line = "data: {use: image_folder, root: pictures, held_out: none, size: 32, batch: 8}"
    path = write(SIMCLR, ("data: {use: digits, batch: 16}", line), ("epochs: 2,", "epochs: 1, compile: off,"))
    said: list[str] = []
    api.run(path, device="cpu", report=said.append)
    assert any("the data set has no held-out pictures" in line for line in said)


def test_a_test_folder_elsewhere_and_one_inside(tmp_path: Path) -> None:
    write_folder(tmp_path / "all", ("",), ("ant", "bee"), each=6)
    write_folder(tmp_path / "other", ("",), ("bee",), each=5)
    data = opened(root=tmp_path / "all", test=tmp_path / "other")
    assert (data.train.samples, data.held_out) == (12, 5)
    assert next(data.test(5)).label.tolist() == [1] * 5
    write_folder(tmp_path / "all" / "held", ("",), ("ant",), each=3)
    data = opened(root=tmp_path / "all", test=tmp_path / "all" / "held")
    assert (data.train.samples, data.held_out, data.classes) == (12, 3, ("ant", "bee"))


def test_a_list_of_held_out_pictures_is_not_trained_on(tmp_path: Path) -> None:
    write_folder(tmp_path / "all", ("",), ("ant", "bee"), each=6)
    (tmp_path / "held.csv").write_text("path,label\nall/ant/003.jpg,ant\nall/bee/001.jpg,bee\n")
    data = opened(root=tmp_path / "all", test=tmp_path / "held.csv")
    assert (data.train.samples, data.held_out) == (10, 2)
    assert next(data.test(2)).label.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ("root: all, held_out: 0.2", "the held-out pictures are those in '"),
        ("root: one, test: all, held_out: 0.2", "what is held out is said twice: by 'test', and by 'held_out'"),
        ("root: one, held_out: some", "'held_out' is 'some'"),
        ("root: one, held_out: 1.0", "'held_out'"),
        ("root: one, test: nowhere", "there is no folder or list '"),
        ("root: one, labels: no", "'labels' is 'no'"),
        ("root: [one, nowhere]", "there is no folder '"),
        ("root: []", "'root'"),
        ("root: [one, all], files: list.txt", "a list of files has one root"),
        ("files: nowhere.txt", "the list 'nowhere.txt' cannot be read: No such file or directory"),
        ("batch: 8", "needs a root"),
    ],
)
def test_check_tells_it(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, shown: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "all", each=2)
    write_folder(tmp_path / "one", ("",), each=2)
    (tmp_path / "list.txt").write_text("one/ant/000.jpg\n")
    line = f"use: image_folder, {options}, batch: 2".removesuffix(", batch: 2" if "batch" in options else "")
    found = problems_of(check, write(SIMCLR, ("use: digits, batch: 16", line)))
    assert len(found) == 1, found
    assert shown in found[0]


# -- lists -----------------------------------------------------------------------------------------------------------


def test_a_list_of_paths(tmp_path: Path) -> None:
    flat(tmp_path / "here", 20)
    lines = [f"here/{i:03d}.png" for i in reversed(range(20))]
    lines[3] = str(tmp_path / lines[3])
    (tmp_path / "list.txt").write_text("\n".join(lines[:10]) + "\n\n  \n" + "\r\n".join(lines[10:]))
    data = opened(files=tmp_path / "list.txt")
    assert (data.train.samples, data.held_out, data.classes) == (18, 2, ())
    there = [str(tmp_path / line) for line in lines]
    assert names(data) == [name for name in there if name not in names(data, "_test")], "in the list's order"
    away = tmp_path / "lists"
    away.mkdir()
    (away / "list.txt").write_text("here/003.png\nhere/001.png\n")
    data = opened(files=away / "list.txt", root=tmp_path, held_out="none", last="keep")
    assert torch.equal(next(iter(data._train.read(torch.arange(2), 2, full=False))).image[0], seen(there[-4], 16))


def test_a_table_with_labels_and_splits(tmp_path: Path) -> None:
    flat(tmp_path, 12)
    rows = [f"{('cat', 'dog', '')[i % 3]},{i:03d}.png,{'val' if i > 8 else 'train'},x" for i in range(12)]
    (tmp_path / "list.csv").write_text("\ufeffLabel, path,split,note\n" + "\n".join(rows) + "\n")
    data = opened(files=tmp_path / "list.csv")
    assert (data.train.samples, data.held_out, data.classes) == (9, 3, ("cat", "dog"))
    (whole,) = data.reference(100)
    assert whole.label.tolist() == [0, 1] * 3
    assert next(data.test(3)).label.tolist() == [0, 1, -1]
    assert opened(files=tmp_path / "list.csv", labels="none").classes == ()
    assert opened(files=tmp_path / "list.csv", held_out="none").held_out == 0


def test_classes_that_are_numbers_come_in_their_order(tmp_path: Path) -> None:
    flat(tmp_path, 12)
    (tmp_path / "list.csv").write_text("path,label\n" + "\n".join(f"{i:03d}.png,{i}" for i in range(12)))
    data = opened(files=tmp_path / "list.csv", held_out="none")
    assert data.classes == tuple(map(str, range(12)))
    assert next(data.reference(12)).label.tolist() == list(range(12))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("file,label\n000.png,a\n", "line 1: no column is called 'path'"),
        ("path,lable\n000.png,a\n", "line 1: no column is called 'lable'; did you mean 'label'?"),
        ("path,path\n000.png,a\n", "line 1: the column 'path' is there twice"),
        ("path,label\n000.png,a\n001.png\n", "line 3: 1 columns, and the first line names 2: path, label"),
        ("path,label\n000.png,a\n\n ,b\n", "line 4: the path is empty"),
        ("path,label,split\n000.png,a,train\n001.png,b,tst\n", "line 3: no split is called 'tst'; did you mean 'test'?"),
        ("path,label\n000.png,a\n0000.png,b\n", "line 3: there is no file '"),
        ("path,label\n", "names no training picture"),
        ("", "line 1: no column is called 'path'"),
        ('path,label\n"000.png,a\n', "line 2: a quotation mark"),
        ("path;label\n000.png;a\n", "separated by a semicolon: they should be by a comma; it has 'path;label'"),
        ("path\tlabel\n000.png\ta\n", "separated by a tab: they should be by a comma"),
        ('path,label\n"000.png,a\n001.png",b\n', "line 2: a quotation mark opens there that is closed in line 3"),
        ("name,label\n000.png,a\n", "it has 'name', 'label'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table(write: Write, tmp_path: Path, text: str, shown: str) -> None:
    flat(tmp_path, 2)
    (tmp_path / "list.csv").write_text(text)
    path = write(SIMCLR, ("use: digits, batch: 16", f"use: image_folder, files: {tmp_path}/list.csv, batch: 2"))
    (found,) = problems_of(check, path)
    assert shown in found
    assert "files: " in found
    with pytest.raises(RunError) as caught:
        open_data(config(files=tmp_path / "list.csv"), torch.device("cpu"), 0)
    assert shown in str(caught.value)


def test_files_that_are_not_there_may_be_passed_over(tmp_path: Path) -> None:
    flat(tmp_path, 9)
    (tmp_path / "list.txt").write_text("\n".join(f"{i:03d}.png" for i in range(10)))
    options = {"files": tmp_path / "list.txt", "held_out": "none"}
    with pytest.raises(RunError, match="line 10: there is no file"):
        open_data(config(**options), torch.device("cpu"), 0)
    data = open_data(config(**options, on_bad_image="skip"), torch.device("cpu"), 0)
    assert (data.train.samples, data.bad.count) == (9, 1)


def test_a_held_out_class_of_a_table_must_be_known(tmp_path: Path) -> None:
    flat(tmp_path, 3)
    (tmp_path / "list.csv").write_text("path,label,split\n000.png,a,train\n001.png,b,test\n")
    with pytest.raises(RunError, match="of the class 'b', which has no training pictures"):
        open_data(config(files=tmp_path / "list.csv"), torch.device("cpu"), 0)


def test_a_graph_that_says_nothing_of_these_keeps_its_hash(write: Write, tmp_path: Path) -> None:
    write_folder(tmp_path / "p", ("",), each=30)
    line = f"use: image_folder, size: 32, root: {tmp_path}/p,"
    plain = load(write(SIMCLR, ("use: digits,", line)))
    said = load(write(SIMCLR, ("use: digits,", f"{line} labels: folders,")))
    other = load(write(SIMCLR, ("use: digits,", f"{line} labels: none,")))
    assert plain.hash() == said.hash() != other.hash()
