"""Pictures of each class, counted before a set is opened: as many as when it is open."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from graphssl.data import open_data
from graphssl.data.batch import UNREAD
from graphssl.data.counted import counted, counts_of
from graphssl.data.judged import judged
from graphssl.graph.spec import Data

CPU = torch.device("cpu")


def fill(folder: Path, n: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.new("RGB", (8, 8), (10 * i, 0, 0)).save(folder / f"{i:02}.png")


def section(**options: object) -> Data:
    return Data.model_validate({"use": "image_folder", "size": 8, "batch": 2, **options})


@pytest.mark.parametrize("layout", ["classes", "train and test", "unlabelled, with labels held out", "no labels"])
def test_before_it_is_opened_as_when_it_is(tmp_path: Path, layout: str) -> None:
    expected: tuple[object, ...]
    data = section(root=str(tmp_path))
    if layout == "classes":
        fill(tmp_path / "a", 10)
        fill(tmp_path / "b", 20)
        expected = (("a", "b"), 27, 27, 3, 3, (9, 18), (1, 2))
    elif layout == "train and test":
        for name, n in (("train/a", 3), ("train/b", 1), ("test/a", 2)):
            fill(tmp_path / name, n)
        expected = (("a", "b"), 4, 4, 2, 2, (3, 1), (2, 0))
    elif layout == "no labels":
        fill(tmp_path, 20)
        expected = ((), 18, 0, 2, 0, (), ())
    else:
        fill(tmp_path / "more", 6)
        fill(tmp_path / "own/a", 4)
        fill(tmp_path / "own/b", 3)
        data = section(root=str(tmp_path / "more"), test=str(tmp_path / "own"))
        expected = (("a", "b"), 6, 0, 7, 3, (2, 2), (2, 1))
    found, opened = counted(data), open_data(data, CPU, 0)
    assert found is not None
    each = found.pictures, found.labelled, found.held_out, found.judged, found.learning, found.judging
    assert (found.classes, *each) == expected
    assert opened.counts == found
    opened.close()


def test_who_is_no_folder_of_pictures_and_what_is_not_there(tmp_path: Path) -> None:
    assert counted(Data(use="digits")) is None
    assert counted(section(root=str(tmp_path / "nowhere"))) is None


def test_labels_that_are_known_when_they_are_read(tmp_path: Path) -> None:
    fill(tmp_path / "a", 10)
    fill(tmp_path / "b", 10)
    opened = open_data(section(root=str(tmp_path)), CPU, 0)
    train, test = opened._train, opened._test
    train.label = torch.full_like(train.label, UNREAD)
    found = counts_of(train, test, judged(train, test), opened.classes, "")
    assert (found.learning, found.judging, found.learns_from) == (None, (1, 1), None)
    opened.close()
