"""What of a folder is not read is said, with a number and an example, by `check`, `data` and the run, or refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from conftest import SIMCLR, Write, problems_of
from helpers import CPU
from picture_files import picture

from graphssl.api import check
from graphssl.cli.describe import describe
from graphssl.data import foretold, open_data
from graphssl.data.foretold import notes_before
from graphssl.data.presence import absence
from graphssl.data.survey.look import survey
from graphssl.errors import RunError
from graphssl.graph import spec


def fill(folder: Path, n: int = 10, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + n):
        picture(i).save(folder / f"{i:03d}.jpg")
    return folder


def run_folder(path: Path) -> Path:
    """As `graphssl run` leaves it."""
    path.mkdir(parents=True)
    for name in ("run.json", "graph.yaml"):
        (path / name).write_text("{}")
    for name in ("views.png", "graph.png"):
        picture(1).save(path / name)
    return path


def config(root: Path | str, **values: Any) -> spec.Data:
    given = {"use": "image_folder", "root": str(root), "size": 16, "batch": 2, "workers": 0, **values}
    return spec.Data.model_validate(given)


def said(root: Path | str, **values: Any) -> tuple[int, list[str]]:
    """How many are trained on and held out, and the notes: the same before, in the run, and by the survey."""
    data = config(root, **values)
    before = list(notes_before(data))
    opened = open_data(data, CPU, 0)
    opened.close()
    assert [note for note in opened.notes if note in before] == before
    assert list(survey(data).notes) == before
    return opened.train.samples + opened.held_out, before


# -- what runs write -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", ["folders", "none"])
@pytest.mark.parametrize("here", [True, False])
def test_the_folders_of_runs_are_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: str, here: bool
) -> None:
    fill(tmp_path)
    for n in (1, 2):
        run_folder(tmp_path / "runs" / f"simclr-{n}")
        fill(tmp_path / "mlartifacts" / "0123456789abcdef0123456789abcdef" / "artifacts", 2)
    fill(tmp_path / "deep" / "store" / "0123456789abcdef0123456789abcde0" / "artifacts", 2)
    fill(tmp_path / "mlruns" / "1", 2)
    monkeypatch.chdir(tmp_path)
    n, notes = said("." if here else tmp_path, labels=labels)
    assert n == 10
    assert len(notes) == 1
    assert notes[0].startswith("5 folders that runs have written are left out: such as")


def test_a_split_in_capitals_is_one_also_beside_runs(tmp_path: Path) -> None:
    fill(tmp_path / "Train")
    before = said(tmp_path)[0]
    run_folder(tmp_path / "runs" / "a")
    fill(tmp_path / "mlruns" / "1", 2)
    assert said(tmp_path) == (before, [])


def test_a_class_may_have_such_files(tmp_path: Path) -> None:
    for name in ("runs", "cat"):
        fill(tmp_path / name)
    (tmp_path / "cat" / "run.json").write_text("{}")
    assert said(tmp_path) == (20, [])


def test_a_run_can_be_asked_for(tmp_path: Path) -> None:
    assert said(run_folder(tmp_path / "a"), last="keep")[0] == 2
    found = absence(config(tmp_path))
    assert found is not None
    assert "a folder that runs have written is left out" in (found.hint or "")


# -- names -----------------------------------------------------------------------------------------------------------


def test_other_formats_are_counted(tmp_path: Path) -> None:
    fill(tmp_path / "a")
    for name in ("1.heic", "2.HEIC", "3.svg", "none", "4.npy", ".5.jpg", "._6.jpg", "notes.txt", "x.csv", "7.dcm"):
        (tmp_path / "a" / name).write_bytes(b"")
    fill(tmp_path / ".b", 2)
    n, (form, hidden) = said(tmp_path)
    assert n == 10
    assert form.startswith("6 files are left out, for their names end as no picture's that is read (.heic 2")
    assert hidden.startswith("2 pictures and folders are passed over, for their names begin with a dot")


def test_formats_that_pillow_reads_are_read(tmp_path: Path) -> None:
    fill(tmp_path / "a", 4)
    for name in ("x.jp2", "x.j2k", "x.AVIF", "x.tga", "x.pnm"):
        kind = {"x.jp2": "JPEG2000", "x.j2k": "JPEG2000", "x.AVIF": "PNG", "x.tga": "TGA", "x.pnm": "PPM"}[name]
        picture(3).save(tmp_path / "a" / name, kind)
    assert said(tmp_path) == (9, [])


# -- permission ------------------------------------------------------------------------------------------------------


def shut(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    plain = os.scandir

    def scandir(path: Any) -> Any:
        if os.path.basename(os.fspath(path)) in names:
            raise PermissionError(13, "Permission denied", path)
        return plain(path)

    monkeypatch.setattr(os, "scandir", scandir)


@pytest.mark.parametrize("name", ["train", "train/a", "test", "test/a"])
def test_a_folder_that_cannot_be_listed_stops_a_run(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    root = tmp_path / "p"
    for part in ("train", "test"):
        for label in "ab":
            fill(root / part / label, 4)
    (root / name).rename(root / f"{name}-shut")
    shut(monkeypatch, f"{Path(name).name}-shut")
    (root / f"{name}-shut").rename(root / name)
    shut(monkeypatch, Path(name).name)
    (found,) = problems_of(
        check, write(SIMCLR, ("use: digits, batch: 16", f"use: image_folder, batch: 2, root: {root}"))
    )
    assert "cannot be listed" in found
    with pytest.raises(RunError, match=r"cannot be listed.*Permission denied.*on_bad_image: skip"):
        open_data(config(root), CPU, 0)


def test_where_bad_pictures_are_skipped_such_folders_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for label in "abc":
        fill(tmp_path / label)
    shut(monkeypatch, "b")
    n, (note,) = said(tmp_path, on_bad_image="skip")
    assert n == 20
    assert note == f"a folder cannot be listed, and what is in it is left out: '{tmp_path}/b: Permission denied'"


def test_a_disks_own_folder_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "a")
    (tmp_path / "lost+found").mkdir()
    shut(monkeypatch, "lost+found")
    n, (note,) = said(tmp_path)
    assert n == 10
    assert "lost+found" in note


# -- before a run ----------------------------------------------------------------------------------------------------


def test_check_prints_what_is_left_out(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "p" / "a", 40)
    (tmp_path / "p" / "a" / "x.heic").touch()
    checked = check(write(SIMCLR, ("use: digits, batch: 16", f"use: image_folder, batch: 16, root: {tmp_path}/p")))
    assert "a file is left out, for its name ends as no picture's that is read (.heic 1)" in describe(checked)
    monkeypatch.setattr(foretold, "MOST", 20)
    assert "it has more than 20 files" in describe(checked)
