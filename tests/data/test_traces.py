"""Pictures that were replaced under their old names are noticed; a copy of them is no change."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import CPU
from picture_files import picture

from graphssl.data import Datasets, open_data, traces, write_shards
from graphssl.data.kept import Rows
from graphssl.data.traces import Change, changes, trace
from graphssl.graph import spec
from graphssl.runs.data import change_since, known_by


def fill(folder: Path, n: int = 6, first: int = 0, kind: str = "bmp", shift: int = 0) -> Path:
    """Of bmp all files are of one size."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + n):
        picture(i + shift).save(folder / f"{i:03d}.{kind}")
        os.utime(folder / f"{i:03d}.{kind}", (1, 1))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split in ("train", "test"):
        for name in "ab":
            fill(tmp_path / "p" / split / name)
    return tmp_path / "p"


def opened(where: Path | None = None, **values: Any) -> Datasets:
    given = {
        "use": "image_folder",
        **({"root": str(where)} if where else {}),
        "size": 16,
        "batch": 2,
        "workers": 0,
        **values,
    }
    data = open_data(spec.Data.model_validate(given), CPU, 0)
    data.close()
    return data


def since(before: dict[str, Any], data: Datasets) -> tuple[str | None, list[str]]:
    said = list[str]()
    return change_since(before, data, said.append), said


@pytest.mark.parametrize("resident", ["memory", "workers"])
def test_replaced_pictures_are_refused(root: Path, resident: str) -> None:
    before = known_by(opened(root, resident=resident))
    assert since(before, opened(root, resident=resident)) == (None, [])
    fill(root / "train" / "a", 2, shift=50)
    where = root / "train" / "a" / "000.bmp"
    assert since(before, opened(root, resident=resident)) == (
        f"2 of 12 pictures have been replaced by others of the same size, such as '{where}'", [],
    )  # fmt: skip
    picture(0, 80, 80).save(where)
    found, _ = since(before, opened(root, resident=resident))
    assert found == f"1 of 12 pictures has been replaced, such as '{where}' (19,254 bytes now, 5,814 bytes then)"


def test_a_copy_elsewhere_is_no_change(root: Path, tmp_path: Path) -> None:
    before = known_by(opened(root))
    shutil.copytree(root, tmp_path / "q", copy_function=shutil.copy)
    shutil.rmtree(root)
    assert since(before, opened(tmp_path / "q")) == (None, [])


def test_of_a_large_set_some_are_compared(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "WHOLE", 1)
    monkeypatch.setattr(traces, "FEW", 4)
    before = known_by(opened(root))
    fill(root / "train" / "a", 1, 1, shift=50)  # which is none of the four
    os.utime(root / "train" / "a" / "001.bmp", (2, 2))
    found, (said,) = since(before, opened(root))
    assert found is None
    assert f"1 of 12 pictures has been written since, such as '{root}/train/a/001.bmp', of the same size" in said
    assert "4 were compared, and hold the same" in said
    fill(root / "train" / "a", 1, shift=50)
    assert "1 of 4 pictures has been replaced by others of the same size" in (since(before, opened(root))[0] or "")
    monkeypatch.setattr(traces, "MOST", 5)
    known = trace(opened(root)._train.source)
    assert (len(known["sizes"]), len(known["contents"])) == (5, 4)


def test_held_out_pictures_are_said(root: Path) -> None:
    before = known_by(opened(root))
    fill(root / "test" / "b", 3, shift=70)
    found, (said,) = since(before, opened(root))
    assert found is None
    assert "of what is held out, 3 of 12 pictures have been replaced by others" in said
    fill(root / "test" / "b", 1, 9)
    assert since(before, opened(root))[1][0].startswith("warning: other pictures are held out")


def test_a_checkpoint_from_before(root: Path) -> None:
    before = {key: value for key, value in known_by(opened(root)).items() if key != "pictures"}
    fill(root / "train" / "a", 2, shift=50)
    assert since(before, opened(root)) == (None, [])


def test_pictures_that_are_gone(root: Path) -> None:
    known = trace(opened(root)._train.source)
    (root / "train" / "a" / "000.bmp").unlink()
    (root / "train" / "a" / "000.bmp").symlink_to("nowhere")
    source = opened(root, on_bad_image="skip")._train.source
    assert "not there now, 5,814 bytes then" in (changes(known, trace(source), source).what or "")


@pytest.mark.parametrize("kind", ["list", "shards"])
def test_lists_and_shards(root: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHSSL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "list.txt").write_text("\n".join(f"{root}/train/a/{i:03d}.bmp" for i in range(6)))

    def known() -> Datasets:
        if kind == "list":
            return opened(files=str(tmp_path / "list.txt"))
        shutil.rmtree(tmp_path / "shards", ignore_errors=True)
        write_shards(root, tmp_path / "shards")
        return opened(tmp_path / "shards", use="webdataset")

    before = known_by(known())
    assert since(before, known()) == (None, [])
    fill(root / "train" / "a", 6, shift=50)
    assert "replaced by others of the same size" in (since(before, known())[0] or "")


def test_arrays() -> None:
    image = torch.randint(0, 256, (9, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    label = torch.arange(9)
    known = trace(Rows(image, label))
    assert changes(known, trace(Rows(image, label)), Rows(image, label)) == Change()
    other = Rows(image, label.flip(0))
    assert changes(known, trace(other), other) == Change("the same pictures, of other labels")
    other = Rows(image.flip(0), label)
    assert "8 of 9 pictures have been replaced by others of the same size, such as image 0" in (
        changes(known, trace(other), other).what or ""
    )


def test_a_set_of_ones_own_is_not_read_for_it(root: Path) -> None:
    class Some:
        fingerprint, label, described = "", torch.zeros(3), True
        paths = ("x", "y", "z")

    known = trace(Some())  # type: ignore[arg-type]
    assert [len(known[name]) for name in ("sizes", "times", "contents")] == [0, 0, 0]
