"""A picture counts once, whatever leads to it, and is never on both sides of a split; what is left out is said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from conftest import SIMCLR, Write, problems_of
from helpers import CPU
from picture_files import picture

from graphssl.api import check
from graphssl.data import facts, open_data, write_shards
from graphssl.data.presence import absence
from graphssl.data.walk import Walk
from graphssl.errors import RunError
from graphssl.graph import spec


def fill(folder: Path, n: int = 5, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + n):
        picture(i).save(folder / f"{i:03d}.png")
    return folder


def config(**values: Any) -> spec.Data:
    return spec.Data.model_validate({"use": "image_folder", "size": 16, "batch": 2, "workers": 0, **values})


def told(**values: Any) -> tuple[int, int, tuple[str, ...], str]:
    """Training pictures, held-out ones, the classes, and the first note if it is about the set."""
    data = config(**values)
    assert absence(data) is None
    opened = open_data(data, CPU, 0)
    opened.close()
    assert facts(data).samples == opened.train.samples
    train, test = (getattr(opened, name) for name in ("_train", "_test"))
    real = [[os.path.realpath(files.paths[i]) for i in range(len(files.paths))] for files in (train.files, test._files)]
    assert len({*real[0], *real[1]}) == len(real[0]) + len(real[1])
    note = opened.notes[0]
    return opened.train.samples, opened.held_out, opened.classes, "" if "kept in memory" in note else note


# -- links -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("links", [1, 14])
def test_links_that_lead_back_are_not_followed(tmp_path: Path, links: int) -> None:
    for name in "ab":
        fill(tmp_path / name)
    for i in range(links):
        os.symlink("..", tmp_path / "a" / f"up{i}")
        os.symlink("../a", tmp_path / "b" / f"over{i}")
    os.symlink(".", tmp_path / "b" / "self")
    os.symlink(".", tmp_path / "whole")
    os.symlink("a", tmp_path / "c")
    *counts, note = told(root=str(tmp_path))
    assert counts == [8, 2, ("a", "b")]
    assert note.startswith(f"{2 * links + 3} links to folders are not followed")
    assert str(tmp_path / "c") in note
    assert told(root=str(tmp_path), labels="none")[:2] == (9, 1)


def test_links_to_elsewhere_are_followed_once(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in "ab":
        fill(tmp_path / "far" / name)
        root.mkdir(exist_ok=True)
        os.symlink(tmp_path / "far" / name, root / name)
    os.symlink(tmp_path / "far" / "b", tmp_path / "far" / "a" / "beside")
    fill(root / ".store" / "hidden", 3, 50)
    os.symlink("../.store/hidden", fill(root / "c", 2) / "seen")
    os.symlink(root, tmp_path / "link")
    for where in (root, tmp_path / "link"):
        (*counts, classes, note) = told(root=str(where), held_out="none")
        assert (counts, classes) == ([15, 0], ("a", "b", "c"))
        assert "a link to a folder is not followed" in note


def test_links_to_files_count_once(tmp_path: Path) -> None:
    for name in "ab":
        fill(tmp_path / name)
    for i in range(3):
        os.symlink(f"../a/00{i}.png", tmp_path / "b" / f"again{i}.png")
    *counts, note = told(root=str(tmp_path))
    assert counts == [8, 2, ("a", "b")]
    assert note.startswith("3 pictures are there again")
    assert "again0.png" in note


def test_a_folder_that_cannot_be_listed_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "open")
    fill(tmp_path / "shut")
    plain = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return plain(path)

    monkeypatch.setattr(os, "scandir", scandir)
    walk = Walk(tmp_path)
    assert len(list(walk.below(str(tmp_path)))) == 5
    assert walk.barred == [f"{tmp_path}/shut: Permission denied"]


# -- both sides ------------------------------------------------------------------------------------------------------


def test_roots_that_overlap_count_once(tmp_path: Path) -> None:
    for name in ("p/x", "p/y", "q"):
        fill(tmp_path / name, 10)
    inner, outer = str(tmp_path / "p"), str(tmp_path)
    for roots, n in (([outer, inner], 27), ([inner, outer], 27), ([inner, inner], 18)):
        train, held, _, note = told(root=roots)
        assert (train, held) == (n, n // 9)
        assert note.startswith("20 pictures are there again")


def test_a_held_out_picture_is_not_trained_on(tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "test/b"):
        fill(tmp_path / name)
    fill(tmp_path / "test" / "a", 2, 90)
    os.symlink("../../train/a/000.png", tmp_path / "test" / "a" / "same.png")
    train, held, _, note = told(root=str(tmp_path))
    assert (train, held) == (9, 8)
    assert note.startswith("a held-out picture lies among the training pictures too")
    assert "train/a/000.png" in note


def lines(tmp_path: Path, *rows: str) -> str:
    fill(tmp_path, 12)
    (tmp_path / "list.csv").write_text("\n".join(("path,label,split", *rows, "")))
    return str(tmp_path / "list.csv")


def test_rows_that_repeat_count_once(tmp_path: Path) -> None:
    rows = [f"{i:03d}.png,{'ab'[i % 2]}," for i in range(12)]
    listed = lines(tmp_path, *rows, "001.png,b,train", f"{tmp_path}/./002.png,a,", "003.png,,")
    train, held, _, note = told(files=listed)
    assert (train, held) == (10, 2)
    assert note.startswith("3 pictures are there again")
    assert "'001.png (line 14, and line 3)'" in note


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ("./001.png,b,test", "is of the split 'train' in line 3, and 'test' in line 4"),
        ("001.png,a,train", "is of the label 'b' in line 3, and 'a' in line 4"),
    ],
)
def test_rows_that_contradict_are_refused(write: Write, tmp_path: Path, row: str, shown: str) -> None:
    listed = lines(tmp_path, "000.png,a,train", "001.png,b,train", row)
    (found,) = problems_of(check, write(SIMCLR, ("use: digits", f"use: image_folder, files: {listed}")))
    assert shown in found


def test_all_held_out_is_told_by_check(write: Write, tmp_path: Path) -> None:
    fill(tmp_path / "p" / "a")
    for key, path in (
        ("root", tmp_path / "p"),
        ("root", tmp_path / "p" / "a"),
        ("files", lines(tmp_path / "p", "000.png,a,")),
    ):
        data = config(**{key: str(path)}, test=str(path if key == "files" else tmp_path / "p"))
        found = absence(data)
        assert found is not None
        assert found.key == "test"
        assert "all pictures are held out" in found.message
    with pytest.raises(RunError, match="no picture is left to train on"):
        open_data(config(root=str(tmp_path / "p"), test=str(tmp_path / "p")), CPU, 0)


def test_a_test_folder_that_leads_to_the_training_one_is_told_by_check(tmp_path: Path) -> None:
    fill(tmp_path / "train" / "a")
    os.symlink("train", tmp_path / "test")
    found = absence(config(root=str(tmp_path)))
    assert found is not None
    assert (found.key, found.message) == (
        "root",
        f"all pictures are held out: '{tmp_path}/test' leads to those to train on",
    )
    with pytest.raises(RunError, match="all 5 are held out: those to train on lie among them"):
        open_data(config(root=str(tmp_path)), CPU, 0)


def test_shards_that_are_all_held_out_are_told_by_check(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"")
    root = str(tmp_path / "*.tar")
    found = absence(spec.Data.model_validate({"use": "webdataset", "root": root, "test": root}))
    assert found is not None
    assert (found.key, found.message) == ("test", f"all shards of '{root}' are held out: none is left to train on")


@pytest.mark.parametrize("wide", ["utf-16", "utf-16-le"])
def test_a_list_of_two_bytes_a_letter_is_told(write: Write, tmp_path: Path, wide: str) -> None:
    fill(tmp_path)
    (tmp_path / "list.csv").write_bytes("path\n000.png\n".encode(wide))
    (found,) = problems_of(check, write(SIMCLR, ("use: digits", f"use: image_folder, files: {tmp_path}/list.csv")))
    assert "is in UTF-16, or no text: save it as UTF-8" in found


def test_a_class_without_training_pictures_is_told_by_check(tmp_path: Path) -> None:
    for name in ("train/cat", "train/dog", "test/cat", "test/dgo", "else/cow"):
        fill(tmp_path / name, 2)
    (tmp_path / "test" / "empty").mkdir()
    found = absence(config(root=str(tmp_path)))
    assert found is not None
    assert (found.key, found.hint) == (
        "root",
        "the held-out split may only hold the training split's classes; did you mean 'dog'?",
    )
    found = absence(config(root=str(tmp_path), test=str(tmp_path / "else")))
    assert found is not None
    assert found.key == "test"
    assert "the class 'cow'" in found.message
    assert absence(config(root=str(tmp_path), labels="none")) is None
    listed = lines(tmp_path / "listed", "000.png,a,train", "001.png,b,test")
    found = absence(config(files=listed))
    assert found is not None
    assert found.key == "files"
    assert "the class 'b'" in found.message


# -- layouts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("Train", "Test"), ("TRAIN", "VAL"), ("train", "Validation")])
def test_the_folders_of_splits_may_be_in_capitals(tmp_path: Path, names: tuple[str, str]) -> None:
    for split in names:
        for name in "ab":
            fill(tmp_path / split / name)
    assert told(root=str(tmp_path)) == (10, 10, ("a", "b"), "")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("Bus", "Train"):
        fill(tmp_path / name)
    assert told(root=str(tmp_path)) == (8, 2, ("Bus", "Train"), "")


def test_loose_pictures_are_said(tmp_path: Path) -> None:
    for name in "ab":
        fill(tmp_path / name)
    fill(tmp_path, 3)
    *counts, note = told(root=str(tmp_path))
    assert counts == [8, 2, ("a", "b")]
    assert note.startswith("3 pictures that are in no class's folder are left out (`labels: none` takes all")
    assert f"{tmp_path}/000.png" in note
    assert told(root=str(tmp_path), labels="none")[:2] == (12, 1)


def test_what_lies_beside_the_splits_is_said(tmp_path: Path) -> None:
    for name in ("train/a", "test/a", "more/a"):
        fill(tmp_path / name)
    (tmp_path / "notes").mkdir()
    note = told(root=str(tmp_path))[-1]
    assert note == f"a folder beside those of the splits is passed over: '{tmp_path}/more'"


def test_shards_have_each_picture_once(tmp_path: Path) -> None:
    for name in "ab":
        fill(tmp_path / "p" / name)
    os.symlink("..", tmp_path / "p" / "a" / "up")
    write_shards(tmp_path / "p", tmp_path / "shards")
    data = open_data(
        spec.Data.model_validate(
            {
                "use": "webdataset",
                "root": str(tmp_path / "shards/train-*.tar"),
                "test": str(tmp_path / "shards/test-*.tar"),
                "batch": 2,
                "workers": 0,
            }
        ),
        CPU,
        0,
    )
    assert (data.train.samples, data.held_out) == (8, 2)
    data.close()
