"""Held-out pictures that are training pictures too are found by what their files hold."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image

from graphssl.data import open_data, traces
from graphssl.data import overlap as room
from graphssl.data.files import Files
from graphssl.graph.spec import Data


def write(folder: Path, n: int, shade: int) -> None:
    """Uncompressed pictures, all of one size, of two classes."""
    for i in range(n):
        at = folder / f"c{i % 2}" / f"{i:03}.bmp"
        at.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, shade, 0)).save(at)


def found(root: Path) -> str | None:
    data = open_data(Data(use="image_folder", root=str(root), size=8, batch=4), torch.device("cpu"), 0)
    try:
        return data.overlap()
    finally:
        data.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "train", 40, 1)
    write(tmp_path / "test", 20, 2)
    return tmp_path


def test_none(root: Path) -> None:
    assert found(root) is None


def test_some_under_other_names(root: Path) -> None:
    shutil.copy(root / "train/c0/002.bmp", root / "test/c1/other.bmp")
    assert found(root) == (
        "1 of 21 held-out pictures are training pictures too: "
        f"'{root}/test/c1/other.bmp' is '{root}/train/c0/002.bmp'; "
        "scores on them say nothing; hold out others (data.test, data.held_out)"
    )


def test_the_same_folder(root: Path) -> None:
    shutil.rmtree(root / "test")
    shutil.copytree(root / "train", root / "test")
    assert str(found(root)).startswith("40 of 40 held-out pictures are training pictures too")


def test_of_many_some_are_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    plain = room.content_of

    def counted(pictures: room.Pictures, position: int) -> int:
        read.append(position)
        return plain(pictures, position)

    for module, name, most in ((room, "JUDGED", 5), (room, "MOST", 30), (traces, "MOST", 30), (room, "READ", 10)):
        monkeypatch.setattr(module, name, most)
    monkeypatch.setattr(room, "content_of", counted)
    assert found(root) is None
    assert len(read) == 10 + 5


def test_files_are_looked_at_once_for_this_and_for_the_traces(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, looked = Files.sizes_and_times, list[int]()

    def counted(self: Files, positions: Sequence[int]) -> torch.Tensor:
        looked.append(len(positions))
        return plain(self, positions)

    monkeypatch.setattr(Files, "sizes_and_times", counted)
    section = Data(use="image_folder", root=str(root), size=8, batch=4)
    data = open_data(section, torch.device("cpu"), 0)
    assert data.overlap() is None
    data.identity(section)
    data.traces()
    assert looked == [40, 20]
    data.close()


def test_files_of_other_sizes_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "train", 10, 1)
    for i in range(4):
        at = tmp_path / "test" / f"c{i % 2}" / f"{i}.bmp"
        at.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9 + i, 9)).save(at)
    monkeypatch.setattr(room, "content_of", lambda *_: pytest.fail("nothing is to be read"))
    assert found(tmp_path) is None


def test_arrays_and_sets_without_held_out_pictures(tmp_path: Path) -> None:
    data = open_data(Data(use="digits", batch=4), torch.device("cpu"), 0)
    assert data.overlap() is None
    write(tmp_path, 8, 1)
    alone = Data(use="image_folder", root=str(tmp_path), size=8, batch=4, held_out="none")
    assert open_data(alone, torch.device("cpu"), 0).overlap() is None
