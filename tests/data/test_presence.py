"""A data set that is not where the graph says is found by `check`, at its line, without a picture being opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import MOCO, SIMCLR, Write, problems_of

from graphssl.api import check
from graphssl.checks.checked import validated
from graphssl.data import presence as present
from graphssl.graph import spec
from graphssl.runs.trained import compile


def data(use: str, root: Path | str, **more: object) -> spec.Data:
    return spec.Data.model_validate({"use": use, "root": str(root), **more})


def files(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no picture")
    return root


ARCHIVES = ["cifar10", "cifar100", "fashion_mnist", "svhn", "stl10"]


@pytest.mark.parametrize("use", [*ARCHIVES, "imagenet", "image_folder"])
def test_a_folder_that_does_not_exist(tmp_path: Path, use: str) -> None:
    found = present.absence(data(use, tmp_path / "nowhere"))
    assert found is not None
    assert (found.key, found.message) == ("root", f"there is no folder '{tmp_path / 'nowhere'}'")
    assert ("download: true" in found.hint) == (use in ARCHIVES)


@pytest.mark.parametrize("use", ARCHIVES)
def test_an_archive_that_will_be_downloaded_need_not_be_there(tmp_path: Path, use: str) -> None:
    assert present.absence(data(use, tmp_path / "nowhere", download=True)) is None


@pytest.mark.parametrize("use", ARCHIVES)
def test_an_archive_is_looked_for_by_what_it_holds(tmp_path: Path, use: str) -> None:
    holds = spec.DATA_SETS[use].archive.holds
    found = present.absence(data(use, tmp_path))
    assert found is not None
    assert found.message == f"'{use}' is not there: no '{holds}' in '{tmp_path}'"
    files(tmp_path, f"{holds}/x" if "." not in holds else holds)
    assert present.absence(data(use, tmp_path)) is None


def test_the_folder_inside_the_root(tmp_path: Path) -> None:
    files(tmp_path, "cifar-10-batches-py/data_batch_1")
    found = present.absence(data("cifar10", tmp_path / "cifar-10-batches-py"))
    assert found is not None
    assert found.hint == f"root: is the folder that holds it: {tmp_path}"


@pytest.mark.parametrize(("use", "more"), [("cifar10", {}), ("cifar10", {"download": True}), ("image_folder", {})])
def test_a_file_is_no_root(tmp_path: Path, use: str, more: dict[str, object]) -> None:
    files(tmp_path, "x")
    found = present.absence(data(use, tmp_path / "x", **more))
    assert found is not None
    assert (found.key, found.message) == ("root", f"'{tmp_path / 'x'}' is a file")


@pytest.mark.parametrize("names", [["train/a/1.JPG"], ["a/b/1.png"], ["1.jpeg"], ["train/1.gif", "x/1.txt"]])
def test_folders_with_pictures(tmp_path: Path, names: list[str]) -> None:
    assert present.absence(data("image_folder", files(tmp_path, *names))) is None


@pytest.mark.parametrize("names", [["train/a/1.txt"], ["train/a/.1.jpg"], ["train/x", "val/a/1.jpg"], ["jpg"]])
def test_folders_without_training_pictures(tmp_path: Path, names: list[str]) -> None:
    found = present.absence(data("image_folder", files(tmp_path, *names)))
    assert found is not None
    assert found.message == f"there is no training picture in '{tmp_path}'"
    assert ".jpg, .jpeg" in found.hint


def test_imagenet_is_laid_out_in_its_own_way(tmp_path: Path) -> None:
    found = present.absence(data("imagenet", files(tmp_path, "n01440764/1.JPEG")))
    assert found is not None
    assert "is not laid out as ImageNet: it has no folder 'train'" in found.message


def test_digits_are_always_there() -> None:
    assert present.absence(spec.Data()) is None


# -- in a graph ------------------------------------------------------------------------------------------------------

NOWHERE = ("use: digits,", "use: image_folder, root: nowhere, size: 32,")


def test_check_says_it_at_the_root(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (found,) = problems_of(check, write(SIMCLR, NOWHERE))
    assert f"graph.yaml:2:33: there is no folder '{tmp_path / 'nowhere'}'" in found


def test_other_mistakes_are_told_with_it_and_what_follows_from_it_is_not(write: Write) -> None:
    bank = [
        ("  queue:     {use: negatives.queue, size: 48}", "  bank: {use: negatives.memory_bank, sample: 8}"),
        ("queue())", "bank(batch.index))"), ("queue: push(k)", "bank: store(batch.index, k)"),
    ]  # fmt: skip
    (found,) = problems_of(check, write(MOCO, NOWHERE, *bank))
    assert "there is no folder" in found
    first, second = problems_of(check, write(MOCO, NOWHERE, *bank, ("encoder(x[0])", "encoder(batch.image)")))
    assert "there is no folder" in first
    assert "uint8 pixels" in second


def test_a_packaged_graph_only_says_where_to_put_the_data(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ours").mkdir()
    monkeypatch.setattr("graphssl.graph.language.packaged._root", lambda: tmp_path / "ours")
    write(SIMCLR, NOWHERE, name="ours/recipe.yaml")
    assert check("recipe").graph.spec.data.root == "nowhere"
    assert check(write("extends: recipe\ngraph: mine\n")).graph.spec.data.root == "nowhere"
    (found,) = problems_of(check, write("extends: recipe\ngraph: mine\ndata: {root: elsewhere}\n"))
    assert "graph.yaml:3:14: there is no folder" in found


def test_an_extended_graphs_options_for_its_own_set_are_left_out(write: Write) -> None:
    parent = write(
        SIMCLR, ("use: digits,", "use: image_folder, root: nowhere, size: 32, workers: 2,"), name="parent.yaml"
    )
    change = "extends: parent.yaml\ngraph: mine\ndata: {use: "
    for checked in (check(write(change + "digits}\n")), check(parent, ["data.use=digits"])):
        assert (checked.graph.spec.data.use, checked.graph.spec.data.size) == ("digits", 32)
        assert checked.graph.resolved()["data"].keys().isdisjoint({"root", "workers"})
    (found,) = problems_of(check, write(change + "cifar10, download: true}\n"))
    assert "'cifar10' needs a root" in found, "that of another set is no place for it"


def test_sets_that_lie_in_one_folder_share_it(write: Write) -> None:
    write(SIMCLR, ("use: digits,", "use: cifar10, root: data, download: true,"), name="parent.yaml")
    data = check(write("extends: parent.yaml\ngraph: mine\ndata: {use: cifar100}\n")).graph.spec.data
    assert (data.use, data.root, data.download) == ("cifar100", "data", True)


def test_an_option_of_ones_own_is_not_left_out(write: Write) -> None:
    parent = write(SIMCLR, NOWHERE, name="parent.yaml")
    for own in (["data={use: digits, root: here}"], ["data.root=here", "data.use=digits"]):
        (found,) = problems_of(lambda path, sets=own: check(path, sets), parent)
        assert "'root' is for sets that are not embedded, and the data set is 'digits'" in found
    write(SIMCLR, name="parent.yaml")
    (found,) = problems_of(check, write("extends: parent.yaml\ngraph: mine\ndata: {root: here}\n"))
    assert "graph.yaml:3:14: 'root' is for sets that are not embedded" in found


def test_what_needs_no_data_does_without(write: Write) -> None:
    path = write(SIMCLR, NOWHERE)
    assert validated(path).graph.name == "simclr"
    assert "def forward" in compile(path).code()


def test_no_picture_is_opened(write: Write, tmp_path: Path) -> None:
    root = files(tmp_path / "pictures", *(f"train/a/{i}.jpg" for i in range(40)))
    assert check(write(SIMCLR, ("use: digits,", f"use: image_folder, root: {root}, size: 32,"))).data.samples == 36
