"""Torchvision's sets, in small files of their real formats: splits, labels, and what is said where they are not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

import graphssl
from graphssl.data import facts, open_data
from graphssl.errors import GraphError
from graphssl.graph.language.validation import validate
from graphssl.graph.spec import data_section
from graphssl.graph.spec.data import Data
from graphssl.graph.spec.datasets import TORCHVISION

CPU = torch.device("cpu")


def picture(path: Path, number: int) -> None:
    """Flat grey, 25 times its number, which JPEG keeps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (24, 20), (25 * number % 256,) * 3).save(path, quality=100, subsampling=0)


def lines(path: Path, *of: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in of))


def pets(root: Path) -> None:
    base = root / "oxford-iiit-pet"
    for split, numbers in (("trainval", range(6)), ("test", range(6, 9))):
        lines(base / f"annotations/{split}.txt", *(f"breed_{n % 2}_{n} {n % 2 + 1} 1 1" for n in numbers))
        for n in numbers:
            picture(base / f"images/breed_{n % 2}_{n}.jpg", n)


def dtd(root: Path) -> None:
    base = root / "dtd/dtd"
    for split, numbers in (("train1", range(4)), ("val1", range(4, 6)), ("test1", range(6, 9))):
        lines(base / f"labels/{split}.txt", *(f"kind{n % 2}/kind{n % 2}_{n:04}.jpg" for n in numbers))
        for n in numbers:
            picture(base / f"images/kind{n % 2}/kind{n % 2}_{n:04}.jpg", n)


def food101(root: Path) -> None:
    base = root / "food-101"
    for split, numbers in (("train", range(6)), ("test", range(6, 9))):
        found: dict[str, list[str]] = {"cake": [], "soup": []}
        for n in numbers:
            name = list(found)[n % 2]
            found[name].append(f"{name}/{n}")
            picture(base / f"images/{name}/{n}.jpg", n)
        (base / "meta").mkdir(exist_ok=True)
        (base / f"meta/{split}.json").write_text(json.dumps(found))


def aircraft(root: Path) -> None:
    base = root / "fgvc-aircraft-2013b/data"
    lines(base / "variants.txt", "707", "747")
    for split, numbers in (("trainval", range(6)), ("test", range(6, 9))):
        lines(base / f"images_variant_{split}.txt", *(f"{n:07} {('707', '747')[n % 2]}" for n in numbers))
        for n in numbers:
            picture(base / f"images/{n:07}.jpg", n)


def flowers102(root: Path) -> None:
    from scipy.io import savemat

    base = root / "flowers-102"
    for n in range(9):
        picture(base / f"jpg/image_{n + 1:05}.jpg", n)
    savemat(base / "imagelabels.mat", {"labels": [n % 2 + 1 for n in range(9)]})
    savemat(base / "setid.mat", {"trnid": [1, 2, 3, 4], "valid": [5, 6], "tstid": [7, 8, 9]})


MAKE: dict[str, Callable[[Path], None]] = {f.__name__: f for f in (pets, dtd, food101, aircraft, flowers102)}


def section(name: str, root: Path) -> Data:
    found, wrong = validate(data_section(name), {"use": name, "root": str(root), "size": 8, "batch": 2})
    assert found is not None, wrong
    return found


@pytest.mark.parametrize("name", MAKE)
def test_splits_and_labels(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.datasets

    files = dict.fromkeys(("image", "label", "setid"), ("", None)) | {
        "label": ("imagelabels.mat", None), "setid": ("setid.mat", None),
    }  # fmt: skip
    monkeypatch.setattr(torchvision.datasets.Flowers102, "_file_dict", files)  # without the sums of the real files
    MAKE[name](tmp_path)
    data = open_data(section(name, tmp_path), CPU, 0)
    assert (data.learning, data.judged) == (6, 3)
    for batches, numbers in ((data.reference(10), range(6)), (data.test(10), range(6, 9))):
        (batch,) = batches
        number = (batch.image[:, 0].float().mean((1, 2)) / 25).round().long()
        assert sorted(number.tolist()) == list(numbers)
        assert batch.label.tolist() == [n % 2 for n in number.tolist()]
    assert data.learning_labels.bincount().tolist() == [3, 3]
    assert len(data.classes) >= 2
    known = facts(section(name, tmp_path))
    assert known.samples == 6
    data.close()


def test_caltech_has_thirty_of_each_class_to_learn_from(tmp_path: Path) -> None:
    base = tmp_path / "caltech101/101_ObjectCategories"
    (base / "BACKGROUND_Google").mkdir(parents=True)
    sizes = {"Faces": 40, "chair": 31, "wrench": 5}
    for name, n in sizes.items():
        for i in range(n):
            picture(base / name / f"image_{i + 1:04}.jpg", i)
    data = open_data(section("caltech101", tmp_path), CPU, 0)
    assert data.learning_labels.bincount().tolist() == [30, 30, 4]
    labels = torch.cat([batch.label for batch in data.test(10)])
    assert labels.bincount().tolist() == [10, 1, 1]
    again = open_data(section("caltech101", tmp_path), CPU, 7)
    assert again.held_files == data.held_files
    data.close()


@pytest.mark.parametrize("name", TORCHVISION)
def test_a_set_that_is_not_there_says_how_it_comes_there(name: str, tmp_path: Path) -> None:
    """At its place in the graph, before anything is read."""
    with pytest.raises(GraphError) as caught:
        graphssl.check("simclr", [f"data={{use: {name}, root: {tmp_path}, size: 32}}"])
    (problem, *_) = caught.value.problems
    assert problem.message.startswith(f"'{name}' is not in '{tmp_path}'")
    assert f": download: true fetches it (about {TORCHVISION[name].megabytes:,} MB)" in problem.message
    assert f"torchvision.datasets.{TORCHVISION[name].cls}" in problem.message


def test_options(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="'root' is missing"):
        graphssl.check("simclr", ["data={use: pets}"])
    with pytest.raises(GraphError, match=f"there is no folder '{tmp_path}/nowhere'"):
        graphssl.check("simclr", [f"data={{use: pets, root: {tmp_path}/nowhere}}"])
