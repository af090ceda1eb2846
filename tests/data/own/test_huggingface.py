"""Hugging Face datasets in the forms in which they lie on a disk, written here by the library itself."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SIMCLR, Write, problems_of
from helpers import CPU
from PIL import Image
from torch import Tensor

from graphssl.api import check
from graphssl.data import Datasets, facts, open_data
from graphssl.data.fit import Fit
from graphssl.data.own.huggingface import HuggingFaceSet
from graphssl.errors import GraphError, RunError
from graphssl.graph import spec
from graphssl.graph.spec.datasets import HuggingFace

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, and a cache of the test's own."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def pixels(i: int) -> np.ndarray:
    return np.random.RandomState(i).randint(0, 256, (20 + i % 3, 24, 3)).astype(np.uint8)


def png(i: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels(i)).save(file, "PNG")
    return file.getvalue()


def rows(n: int = 20, first: int = 0, **columns: Any) -> Any:
    features = {"picture": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    values = {
        "picture": [{"bytes": png(first + i), "path": None} for i in range(n)],
        "label": [i % 2 for i in range(n)],
    }
    for name, (kind, column) in columns.items():
        features[name], values[name] = kind, column
    return datasets.Dataset.from_dict(values, features=datasets.Features(features))


def config(path: Path | str, **values: object) -> spec.Data:
    return spec.data_section("hf").model_validate({"use": "hf", "path": str(path), "size": 16, "batch": 4, **values})


def opened(path: Path | str, **values: object) -> Datasets:
    return open_data(config(path, workers=0, **values), CPU, 0)


def seen(*numbers: int) -> Tensor:
    return torch.stack([Fit(16, 16)(torch.from_numpy(pixels(i)).permute(2, 0, 1)) for i in numbers])


def test_a_saved_dataset(tmp_path: Path) -> None:
    rows().save_to_disk(tmp_path / "one")
    data = opened(tmp_path / "one")
    assert (data.train.samples, data.held_out, data.classes) == (18, 2, ("cat", "dog"))
    numbers = [int(data._train.files.paths[i].split()[1]) for i in range(18)]  # type: ignore[attr-defined]
    (whole,) = data.reference(18)
    assert torch.equal(whole.image, seen(*numbers))
    assert whole.label.tolist() == [number % 2 for number in numbers]
    known = facts(config(tmp_path / "one"))
    assert (known.samples, known.classes) == (18, 2)


def test_saved_splits(tmp_path: Path) -> None:
    splits = {"train": rows(), "validation": rows(5, first=50), "rest": rows(7)}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "all")
    data = opened(tmp_path / "all")
    assert (data.train.samples, data.held_out) == (20, 5)
    assert torch.equal(next(data.test(5)).image, seen(50, 51, 52, 53, 54))
    other = opened(tmp_path / "all", split="rest", test="train")
    assert (other.train.samples, other.held_out) == (7, 20)
    with pytest.raises(RunError, match=r"has no split 'rust' \(data.split\); did you mean 'rest'\?"):
        opened(tmp_path / "all", split="rust")


def test_a_folder_of_parquet_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows().to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    rows(4, first=50).to_parquet(tmp_path / "data" / "test-00000-of-00001.parquet")
    data = opened(tmp_path)
    assert (data.train.samples, data.held_out, data.classes) == (20, 4, ("cat", "dog"))
    assert torch.equal(next(data.test(4)).image, seen(50, 51, 52, 53))


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    for i in range(12):
        folder = tmp_path / "pictures" / "train" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i:02d}.png").write_bytes(png(i))
    data = opened(tmp_path / "pictures")
    assert (data.train.samples, data.held_out, data.classes) == (11, 1, ("a", "b"))


def test_workers_read_it(tmp_path: Path) -> None:
    rows().save_to_disk(tmp_path / "one")
    here = opened(tmp_path / "one", resident="workers")
    away = open_data(config(tmp_path / "one", workers=2, resident="workers"), CPU, 0)
    for one, other in zip(here.train.epoch(0), away.train.epoch(0), strict=True):
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.label, other.label)
    away.close()


def test_columns_are_found_or_named(tmp_path: Path) -> None:
    depth = datasets.Image(), [{"bytes": png(90), "path": None}] * 20
    rows(depth=depth).save_to_disk(tmp_path / "two")
    with pytest.raises(RunError, match=r"several columns of pictures: picture, depth\. Name one by `data.image`"):
        opened(tmp_path / "two")
    assert opened(tmp_path / "two", image="depth").train.samples == 18
    with pytest.raises(RunError, match=r"has no column 'pictur' \(data.image\); did you mean 'picture'\?"):
        opened(tmp_path / "two", image="pictur")
    assert opened(tmp_path / "two", image="picture", label="none").classes == ()
    number = datasets.Value("int64"), [i % 5 for i in range(20)]
    rows(kind=number).save_to_disk(tmp_path / "three")
    assert opened(tmp_path / "three", label="kind").classes == tuple("01234")


def named(names: list[str | None], first: int = 0) -> Any:
    """Rows whose labels are names."""
    values = {"picture": [{"bytes": png(first + i), "path": None} for i in range(len(names))], "label": names}
    features = {"picture": datasets.Image(), "label": datasets.Value("string")}
    return datasets.Dataset.from_dict(values, features=datasets.Features(features))


def test_labels_that_are_names_are_numbered_alike_in_all_splits(tmp_path: Path) -> None:
    splits = {"train": named(["dog", "ant", None, "dog"] * 4), "test": named(["dog", "cat"], first=90)}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "set")
    assert facts(config(tmp_path / "set")).classes == 3
    data = opened(tmp_path / "set")
    assert data.classes == ("ant", "cat", "dog")
    known = [int(label) for batch in data.reference(16) for label in batch.label]
    assert known == [2, 0, 2] * 4  # what has no label does not judge
    assert next(data.test(2)).label.tolist() == [2, 1]


def test_an_empty_picture_is_named(tmp_path: Path) -> None:
    broken = rows(9).to_dict()
    broken["picture"][4] = None
    datasets.Dataset.from_dict(broken, features=rows(1).features).save_to_disk(tmp_path / "one")
    with pytest.raises(RunError, match=r"sample 4 of 'hf' \(train\): ValueError: its 'picture' is empty"):
        opened(tmp_path / "one")


def test_what_is_not_there_is_told_by_check(write: Write, tmp_path: Path) -> None:
    path = write(SIMCLR, ("use: digits,", f"use: hf, path: {tmp_path}/nowhere,"))
    (found,) = problems_of(check, path)
    assert f"there is no folder '{tmp_path}/nowhere' (data.path)" in found
    (found,) = problems_of(check, write(SIMCLR, ("use: digits,", "use: hf, splitt: train,")))
    assert "'path' is missing" in found or "did you mean 'split'?" in found


def test_a_name_that_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="'no_such_set' cannot be opened as a Hugging Face dataset") as caught:
        opened("no_such_set")
    assert f"There is no folder '{Path.cwd()}/no_such_set' either" in str(caught.value)
    assert "HF_HUB_OFFLINE=1" in str(caught.value)


def test_a_split_is_not_on_both_sides(tmp_path: Path) -> None:
    rows().save_to_disk(tmp_path / "one")
    with pytest.raises(RunError, match=r"'train' is both trained on \(data.split\) and held out \(data.test\)"):
        opened(tmp_path / "one", test="train")


def test_an_option_is_told_at_its_own_place(write: Write, tmp_path: Path) -> None:
    rows().save_to_disk(tmp_path / "one")
    path = write(SIMCLR, ("use: digits,", f"use: hf, path: {tmp_path}/one,"))
    for key in ("label", "image", "split"):
        with pytest.raises(GraphError) as caught:
            check(path, [f"data.{key}=lable"])
        (problem,) = caught.value.problems
        assert f"(data.{key})" in problem.message
        assert problem.span is not None
        assert f"data.{key}=lable" in problem.render()


def test_without_the_package(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    (found,) = problems_of(check, write(SIMCLR, ("use: digits,", "use: hf, path: cifar10,")))
    assert "pip install 'graphssl[hf]'" in found


def test_folders_in_which_the_library_would_go_astray(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    config = HuggingFace(path=str(tmp_path))
    assert HuggingFaceSet.missing(config) is None
    (tmp_path / "mlruns").mkdir()
    assert "is what runs have written" in (HuggingFaceSet.missing(config) or "")
    (tmp_path / "a" / "up").symlink_to("..")
    assert "leads to what is in the folder already" in (HuggingFaceSet.missing(config) or "")
