"""Which files a path stands for, and the class that their folders say."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from graphssl.errors import UsageError
from graphssl.runs.features.listing import listed


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_a_flat_folder_has_no_classes(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a.png", "notes.txt", ".c.jpg")
    assert listed(tmp_path) == [(str(tmp_path / "a.png"), None), (str(tmp_path / "b.JPG"), None)]


def test_the_first_folder_below_is_the_class(tmp_path: Path) -> None:
    touch(tmp_path, "bee/1.jpg", "ant/1.jpg", "ant/far/away/2.jpg", "0.jpg", ".hidden/3.jpg")
    found = [(os.path.relpath(path, tmp_path), label) for path, label in listed(tmp_path)]
    assert found == [("0.jpg", None), ("ant/1.jpg", "ant"), ("ant/far/away/2.jpg", "ant"), ("bee/1.jpg", "bee")]


def test_splits_are_no_classes(tmp_path: Path) -> None:
    touch(tmp_path, "train/ant/1.jpg", "val/ant/2.jpg", "train/3.jpg", "ant/train/4.jpg")
    assert [label for _, label in listed(tmp_path)] == ["ant", None, "ant", "ant"]


def test_paths_are_told_as_they_were_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "photos/ant/1.jpg")
    monkeypatch.chdir(tmp_path)
    for named in ("photos", "./photos/", Path("photos")):
        assert listed(named) == [("photos/ant/1.jpg", "ant")]
    assert listed(".") == [("photos/ant/1.jpg", "photos")]


def test_a_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    touch(tmp_path, "picture")
    assert listed(tmp_path / "picture") == [(str(tmp_path / "picture"), None)]


def test_links_that_lead_back_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, "photos/ant/1.jpg", "else/2.jpg")
    (tmp_path / "photos/ant/up").symlink_to(tmp_path / "photos", target_is_directory=True)
    (tmp_path / "photos/other").symlink_to(tmp_path / "else", target_is_directory=True)
    assert [os.path.relpath(path, tmp_path) for path, _ in listed(tmp_path / "photos")] == [
        "photos/ant/1.jpg",
        "photos/other/2.jpg",
    ]


def test_what_is_not_there(tmp_path: Path) -> None:
    touch(tmp_path, "photos/notes.txt")
    with pytest.raises(UsageError, match=r"there is no file or folder '.*photo': did you mean '.*photos'\?"):
        listed(tmp_path / "photo")
    with pytest.raises(UsageError, match=r"there is no file or folder '.*nowhere/x.jpg'$"):
        listed(tmp_path / "nowhere/x.jpg")
    with pytest.raises(UsageError, match=r"no pictures in '.*photos'; their names end in .jpg, "):
        listed(tmp_path / "photos")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path) -> None:
    touch(tmp_path, "photos/1.jpg", "photos/closed/2.jpg")
    (tmp_path / "photos/closed").chmod(0)
    with pytest.raises(UsageError, match="closed' cannot be listed: Permission denied"):
        listed(tmp_path / "photos")
    (tmp_path / "photos/closed").chmod(0o700)


def test_what_is_left_out_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.png", ".b.png", "c.heic", "d.heic", "notes.txt", ".DS_Store", ".hidden/e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "again").symlink_to(tmp_path)
    with caplog.at_level(logging.WARNING, logger="graphssl"):
        assert len(listed(tmp_path)) == 1
    hidden, form, again = sorted(caplog.messages)
    assert form.startswith("3 files are left out")
    assert ".heic 2, .txt 1" in form
    assert hidden.startswith("2 pictures and folders are passed over, for their names begin with a dot")
    assert again.startswith("a link to a folder is not followed")
