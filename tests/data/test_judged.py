"""Training pictures without labels are judged by labelled ones that are held out, in sets of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Write, problems_of
from helpers import CPU
from picture_files import picture

from graphssl.api import check, survey
from graphssl.checks.evaluations import no_judgement
from graphssl.cli.pictures import survey_text
from graphssl.data import Datasets, facts, open_data
from graphssl.data.presence import absence
from graphssl.errors import RunError
from graphssl.graph import spec
from graphssl.runs.data import open_run_data

BOTH = ("cat", "dog")


def fill(folder: Path, n: int = 6, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + n):
        picture(i).save(folder / f"{i:03d}.jpg")
    return folder


def opened(**values: Any) -> Datasets:
    data = spec.Data.model_validate({"use": "image_folder", "size": 16, "batch": 2, "workers": 0, **values})
    if data.use == "image_folder":
        assert absence(data) is None
        assert facts(data).unlabelled
        assert facts(data).classes is None
    return open_data(data, CPU, 0)


def judged(data: Datasets) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Position and label of what classifiers learn from, and of what they are tested on."""
    found = tuple(
        [(int(i), int(label)) for batch in part for i, label in zip(batch.index, batch.label, strict=True)]
        for part in (data.reference(4), data.test(4))
    )
    data.close()
    return found  # type: ignore[return-value]  # of two


def table(path: Path, *rows: tuple[str, str, str]) -> str:
    path.write_text("\n".join(",".join(row) for row in (("path", "label", "split"), *rows)))
    return str(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pictures to train on in one folder, and labelled ones of two classes, six and three."""
    fill(tmp_path / "train", 8)
    for name, n in zip(BOTH, (6, 3), strict=True):
        fill(tmp_path / "test" / name, n)
    return tmp_path


def halves(data: Datasets, each: tuple[int, int] = (6, 3)) -> None:
    """Of each class half, rounded up, is there to learn from; none is in both; it is said."""
    assert no_judgement(data) is None
    (note,) = (note for note in data.notes if "no labels" in note)
    learnt, tested = judged(data)
    count = [[sum(label == one for _, label in part) for one in (0, 1)] for part in (learnt, tested)]
    assert count == [[(n + 1) // 2 for n in each], [n // 2 for n in each]]
    assert sorted(i for i, _ in learnt + tested) == list(range(sum(each)))
    assert f"learn from {len(learnt):,} and are tested on {len(tested):,}" in note


@pytest.mark.parametrize("resident", ["memory", "workers"])
def test_a_flat_folder_and_classes(root: Path, resident: str) -> None:
    data = opened(root=str(root), resident=resident)
    assert (data.train.samples, data.classes) == (8, BOTH)
    halves(data)


def test_folders_and_lists_that_are_named(root: Path, tmp_path: Path) -> None:
    rows = [(f"test/{name}/{i:03d}.jpg", name, "") for name, n in zip(BOTH, (6, 3), strict=True) for i in range(n)]
    plain = [(f"train/{i:03d}.jpg", "", "train") for i in range(8)]
    (root / "plain.txt").write_text("\n".join(path for path, *_ in plain))
    held = [(path, name, "test") for path, name, _ in rows]
    test = str(root / "test")
    listed, only = table(root / "held.csv", *rows), table(root / "only.csv", *held)
    for values in (
        {"root": str(root / "train"), "test": test},
        {"files": str(root / "plain.txt"), "test": test},
        {"files": str(root / "plain.txt"), "test": listed},
        {"files": str(root / "plain.txt"), "test": only},
        {"files": table(root / "both.csv", *plain, *held)},
    ):
        data = opened(**values)
        assert data.train.samples == 8, values
        halves(data)


def test_a_set_of_its_own_has_a_training_split(root: Path) -> None:
    for split, n in (("train", 4), ("val", 3)):
        for name in BOTH:
            fill(root / "own" / split / name, n)
    rows = [
        (f"own/{split}/{name}/{i:03d}.jpg", name, split) for split in ("train", "val") for name in BOTH for i in (0, 1)
    ]
    for test, each in ((str(root / "own"), (4, 3)), (table(root / "own.csv", *rows), (2, 2))):
        learnt, tested = judged(opened(root=str(root / "train"), test=test))
        assert [label for _, label in learnt] == [0] * each[0] + [1] * each[0]
        assert [label for _, label in tested] == [0] * each[1] + [1] * each[1]


def test_one_folder_for_all_is_no_class(root: Path) -> None:
    (root / "train").rename(root / "all")
    (root / "all").rename(fill(root / "train", 0) / "all")
    data = opened(root=str(root))
    assert "no held-out picture is of the one class of training pictures" in data.notes[0]
    assert data.classes == BOTH
    halves(data)


def test_the_choice_is_that_of_every_seed_and_place(root: Path) -> None:
    data = {"root": str(root), "resident": "workers"}
    first = judged(opened(**data))
    (root / "train" / "000.jpg").unlink()
    assert judged(opened(**data)) == first
    (root / "test" / "cat" / "000.jpg").write_bytes(b"")
    without = judged(opened(**data, on_bad_image="skip"))
    assert without == tuple([one for one in part if one[0] != 0] for part in first), "a bad picture moves no other"


def test_shards(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tarfile

    monkeypatch.setenv("GRAPHSSL_CACHE", str(tmp_path / "cache"))
    for split in ("train", "test"):
        with tarfile.open(tmp_path / f"{split}-0.tar", "w") as tar:
            for n, path in enumerate(sorted((root / split).rglob("*.jpg"))):
                tar.add(path, f"{n:03d}.jpg")
                if split == "test":
                    (tmp_path / "cls").write_text(path.parent.name)
                    tar.add(tmp_path / "cls", f"{n:03d}.cls")
    shards = {"use": "webdataset", "root": str(tmp_path / "train-0.tar"), "test": str(tmp_path / "test-0.tar")}
    halves(opened(**shards))


@pytest.mark.parametrize(
    "labels", ["self.labels = [None] * n if split == 'train' else [i % 2 for i in range(n)]", "pass"]
)
def test_a_set_of_ones_own(tmp_path: Path, labels: str) -> None:
    from graphssl.code import load_file
    from graphssl.graph.spec.data import data_section
    from graphssl.graph.spec.datasets import DATA_SETS

    (tmp_path / "mine.py").write_text(f"""
import numpy as np
from graphssl.data import DatasetConfig, Facts, dataset

class Some:
    def __init__(self, n, split):
        self.n, self.split = n, split
        {labels}
    def __len__(self):
        return self.n
    def __getitem__(self, i):
        return np.full((20, 20, 3), i, np.uint8), None if self.split == "train" else i % 2

@dataset("mine")
class Mine:
    @classmethod
    def facts(cls, config):
        return Facts(8, 12, classes=2, size=16)
    def split(self, name):
        return Some(8 if name == "train" else 12, name)
""")
    load_file(tmp_path / "mine.py", "mine.py")
    try:
        data = data_section("mine").model_validate({"use": "mine", "batch": 2, "workers": 0})
        found = open_data(data, CPU, 0)
        assert no_judgement(found) is None
        learnt, tested = judged(found)
        assert len(learnt) == len(tested) == 6
        assert {label for _, label in learnt} == {label for _, label in tested} == {0, 1}
    finally:
        del DATA_SETS["mine"]


def test_some_labels_are_enough(root: Path) -> None:
    rows = [(f"test/cat/{i:03d}.jpg", "cat" if i % 2 else "", "train") for i in range(6)]
    rows += [(f"test/dog/{i:03d}.jpg", "dog", ("train", "train", "test")[i]) for i in range(3)]
    data = open_data(
        spec.Data(use="image_folder", files=table(root / "x.csv", *rows), size=16, batch=2, workers=0), CPU, 0
    )
    assert "5 of 8 training pictures have labels" in data.notes
    learnt, tested = judged(data)
    assert (len(learnt), tested) == (5, [(0, 1)])


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (("train/cat", "test/cat"), "the data set has one class, 'cat'"),
        (("train", "test/cat"), "the data set has one class, 'cat'"),
        (("train",), "the data set has no labels"),
    ],
)
def test_what_cannot_be_judged(tmp_path: Path, parts: tuple[str, ...], reason: str) -> None:
    for part in parts:
        fill(tmp_path / part, 4)
    data = open_data(spec.Data(use="image_folder", root=str(tmp_path), size=16, batch=2, workers=0), CPU, 0)
    assert (no_judgement(data) or "").startswith(reason)
    data.close()


def test_held_out_pictures_without_labels(tmp_path: Path) -> None:
    for name in BOTH:
        fill(tmp_path / "p" / name)
    test = str(fill(tmp_path / "flat"))
    data = open_data(
        spec.Data(use="image_folder", root=str(tmp_path / "p"), test=test, size=16, batch=2, workers=0), CPU, 0
    )
    assert no_judgement(data) == "no held-out picture has a label"
    data.close()


def test_classes_that_differ_are_still_refused(root: Path) -> None:
    for name in ("cats", "dogs"):
        fill(root / "more" / name)
    found = absence(spec.Data(use="image_folder", root=str(root / "more"), test=str(root / "test")))
    assert found is not None
    assert "the class 'cat'" in found.message


# -- graphs that take labels -----------------------------------------------------------------------------------------


def supcon(write: Write, data: str) -> Path:
    return write(
        f"extends: supcon\ngraph: own\ndata: {{{data}, size: 16, batch: 4, workers: 0}}\n"
        "train: {steps: 1, schedule: {warmup: 0}}\n"
    )


@pytest.mark.parametrize("more", ["", ", labels: none"])
def test_a_graph_that_takes_labels_is_refused_without_any(write: Write, root: Path, more: str) -> None:
    where = root if not more else root / "test"
    (found,) = problems_of(check, supcon(write, f"use: image_folder, root: {where}{more}"))
    assert "the graph takes labels (batch.label), and no training picture has one" in found


def test_a_graph_that_takes_labels_is_accepted_with_some(write: Write, root: Path) -> None:
    check(supcon(write, f"use: image_folder, root: {root / 'test'}"))


def test_a_set_that_only_its_files_know_is_refused_before_training(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tarfile

    monkeypatch.setenv("GRAPHSSL_CACHE", str(tmp_path / "cache"))
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for path in sorted(fill(tmp_path / "p").iterdir()):
            tar.add(path, path.name)
    checked = check(supcon(write, f"use: webdataset, root: {tmp_path}/a.tar"))
    with pytest.raises(RunError, match=r"takes labels.*\.cls file"):
        open_run_data(checked, CPU, print)


def test_a_survey_says_that_only_held_out_pictures_have_labels(root: Path) -> None:
    (row,) = (line for line in survey_text(survey(str(root))).splitlines() if line.startswith("classes"))
    assert row.split(maxsplit=1)[1] == "2, of held-out pictures; those to train on have no labels"
