"""A new data set is a row of the table: everything that speaks of data sets then knows it."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from conftest import SIMCLR, Write, problems_of
from picture_files import write_folder
from tables import added

from graphssl.api import check
from graphssl.data import facts, open_data, presence
from graphssl.data import open as datasets
from graphssl.data.known import FolderFacts
from graphssl.errors import RunError
from graphssl.graph import spec
from graphssl.graph.spec.datasets import DATA_SETS, Archive, DataSet, Kind, Layout

GREY = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
BIRDS = Layout("train/<species>/*.jpg and val/<species>/*.jpg", "train/<species>/*.jpg", "Birds")
ROWS = {
    "birds": DataSet("pictures", 24, 2, 16, *GREY, layout=BIRDS),
    "cifar10_small": DataSet(
        "archive", 6, 10, 32, *GREY, Archive("CIFAR10", {"train": True}, {"train": False}, "cifar-10-batches-py", 1)
    ),
    "more_shards": DataSet("shards", None, None, 16, *GREY),
}


@pytest.fixture(autouse=True)
def _rows() -> Iterator[None]:
    with added(DATA_SETS, ROWS):
        yield


def test_a_new_set_of_pictures(write: Write, tmp_path: Path) -> None:
    root = tmp_path / "birds"
    path = write(SIMCLR, ("use: digits,", "use: birds, root: birds, resident: workers, workers: 0,"))
    path.write_text(path.read_text().replace("root: birds", f"root: {root}"))
    (found,) = problems_of(check, path)
    assert f"there is no folder '{root}'" in found
    assert f"root: is a folder with {BIRDS.full}" in found

    write_folder(root, ("test",))
    (found,) = problems_of(check, path)
    assert f"'{root}' is not laid out as Birds: it has no folder 'train'" in found
    write_folder(root, ("train",))

    checked = check(path)
    assert (checked.data.samples, checked.data.classes, checked.data.height, checked.data.mean) == (24, 2, 16, GREY[0])
    data = open_data(checked.graph.spec.data, torch.device("cpu"), 0)
    assert (data.train.samples, data.held_out, data.classes) == (24, 24, ("ant", "bee"))
    assert next(data.train.epoch(0)).image.shape == (16, 3, 16, 16)
    data.close()


def test_a_new_set_of_pictures_that_are_not_counted_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(DATA_SETS, "birds", DataSet("pictures", None, None, 16, *GREY, layout=BIRDS))
    known = facts(spec.Data(use="birds", root=str(write_folder(tmp_path))))
    assert isinstance(known, FolderFacts)
    assert (known.samples, known.classes, known.height) == (24, 2, 16)


def test_a_new_archive(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    small = spec.Data(use="cifar10_small", root=str(tmp_path), batch=6)
    absence = presence.absence(small)
    assert absence is not None
    assert absence.message == f"'cifar10_small' is not there: no 'cifar-10-batches-py' in '{tmp_path}'"
    assert presence.absence(small.model_copy(update={"download": True})) is None
    with pytest.raises(RunError, match="'cifar10_small' is not there"):
        open_data(small, torch.device("cpu"), 0)

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    image = np.random.RandomState(0).randint(0, 256, (6, 3072)).astype(np.uint8)
    (folder / "batch").write_bytes(pickle.dumps({"data": image, "labels": [0, 1, 2, 3, 4, 5]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    md5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    for listed in ("train_list", "test_list"):
        monkeypatch.setattr(CIFAR10, listed, [["batch", md5["batch"]]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": md5["batches.meta"]}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    assert presence.absence(small) is None
    data = open_data(small, torch.device("cpu"), 0)
    assert (facts(small).samples, data.train.samples, data.classes) == (6, 6, tuple("abcdefghij"))
    whole = next(data.reference(6)).image
    assert torch.equal(whole, torch.from_numpy(image.reshape(6, 3, 32, 32)))


def test_it_is_among_the_choices_and_the_words(write: Write) -> None:
    (found,) = problems_of(check, write(SIMCLR, ("use: digits", "use: bird, root: x")))
    assert "did you mean 'birds'?" in found
    options = spec.Data.model_json_schema()["properties"]["use"]["enum"]
    assert options == [*(name for name in DATA_SETS if name not in ROWS), *ROWS]
    (found,) = problems_of(check, write(SIMCLR, ("use: digits", "use: birds, root: x, download: true")))
    assert "'download' is for sets that can be fetched, and the data set is 'birds'" in found
    (found,) = problems_of(check, write(SIMCLR, ("use: digits", "use: birds, root: x, window: 3")))
    assert "'window' is for 'webdataset' and 'more_shards' alone, and the data set is 'birds'" in found
    assert spec.Data(use="more_shards", root="x", window=3).window == 3


def test_every_kind_has_a_reader_and_all_but_the_embedded_are_looked_for() -> None:
    kinds = set(get_args(Kind))
    assert {row.kind for row in DATA_SETS.values()} == kinds
    assert datasets.ARRAYS.keys() | datasets.FILES.keys() == kinds
    assert not datasets.ARRAYS.keys() & datasets.FILES.keys()
    assert presence.LOOKS.keys() == kinds - {"embedded"}
    for row in DATA_SETS.values():
        assert (row.archive is not None, row.layout is not None) == (row.kind == "archive", row.kind == "pictures")
