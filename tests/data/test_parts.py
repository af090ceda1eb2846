"""Several processes read one part of each batch: together what one reads, views included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import CPU
from picture_files import picture

from graphssl import world
from graphssl.components.augment.cut import RandomCrops
from graphssl.data import Batch, WholeBatch, open_data
from graphssl.graph import spec

CUTS = ((RandomCrops(2, (12, 12), (0.2, 1.0), (0.75, 1.33), 0.5),),)
FOLDER = {"use": "image_folder", "size": 16, "workers": 0}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("set")
    for part, each in (("train", 11), ("test", 3)):
        for label in ("ant", "bee"):
            folder = path / part / label
            folder.mkdir(parents=True)
            for i in range(each):
                picture(100 * each + i, 24 + i, 40 - i).save(folder / f"{i:03d}.png")
    return path


@contextmanager
def process(rank: int, size: int) -> Iterator[None]:
    """As if this were one of so many."""
    before, world._world = world._world, world.World(rank, size)
    try:
        yield
    finally:
        world._world = before


def epochs(options: dict[str, Any], rank: int, size: int) -> list[Batch]:
    with process(rank, size):
        data = open_data(spec.Data.model_validate(options), CPU, 7)
        if options["use"] == "image_folder":
            data.train.cut(CUTS, image=True)
        with closing(data):
            return [*data.train.epoch(0), *data.train.epoch(1, 1)]


def joined(parts: list[Batch]) -> Batch:
    """The parts of a batch in the order of the processes; of views, each by itself."""
    if isinstance(parts[0], WholeBatch):
        assert all(torch.equal(part.image, parts[0].image) for part in parts)
        return parts[0]
    cuts = tuple(
        tuple(torch.cat([part.unflatten(0, (2, -1)) for part in views], 1).flatten(0, 1) for views in zip(*of_call, strict=True))
        for of_call in zip(*(part.cuts for part in parts), strict=True)
    )  # fmt: skip
    return Batch(*(torch.cat([part[i] for part in parts]) for i in range(3)), cuts)


@pytest.mark.parametrize("last", ["drop", "keep"])
@pytest.mark.parametrize("resident", ["memory", "workers"])
@pytest.mark.parametrize("use", ["digits", "image_folder"])
def test_the_parts_of_all_processes_are_what_one_reads(root: Path, use: str, resident: str, last: str) -> None:
    if use == "digits" and resident == "workers":
        pytest.skip("digits are arrays")
    own = {"use": "digits", "size": 16} if use == "digits" else {**FOLDER, "root": str(root), "resident": resident}
    options = {**own, "batch": 400 if use == "digits" else 4, "last": last}
    whole = epochs(options, 0, 1)
    parts = [epochs(options, rank, 2) for rank in range(2)]
    assert len(parts[0]) == len(parts[1]) == len(whole)
    assert any(isinstance(batch, WholeBatch) for batch in parts[0]) == (last == "keep")
    for one, *of_all in zip(whole, *parts, strict=True):
        together = joined(of_all)
        for ours, theirs in zip(together[:3], one[:3], strict=True):
            assert torch.equal(ours, theirs)
        assert [
            [torch.equal(a, b) for a, b in zip(x, y, strict=True)] for x, y in zip(together.cuts, one.cuts, strict=True)
        ] == [[True] * len(views) for views in one.cuts]


def test_what_is_judged_is_read_in_parts(root: Path) -> None:
    options = {**FOLDER, "root": str(root), "batch": 4}
    found = []
    for rank, size in ((0, 1), (0, 2), (1, 2)):
        with process(rank, size), closing(open_data(spec.Data.model_validate(options), CPU, 7)) as data:
            found.append([torch.cat([b.index for b in split]) for split in (data.reference(4), data.test(4))])
    whole, *halves = found
    assert all(torch.equal(torch.cat([half[i] for half in halves]), whole[i]) for i in range(2))


def test_what_stands_for_bad_pictures_is_the_same_for_any_number_of_processes(tmp_path: Path) -> None:
    for i in range(48):
        (tmp_path / "set").mkdir(exist_ok=True)
        path = tmp_path / "set" / f"{i:03d}.png"
        path.write_bytes(b"no picture") if i % 4 in (0, 1) else picture(i, 24, 24).save(path)
    options = {**FOLDER, "root": str(tmp_path / "set"), "batch": 8, "resident": "workers", "on_bad_image": "skip",
               "held_out": "none"}  # fmt: skip
    one = epochs(options, 0, 1)
    for size in (2, 4):
        parts = [epochs(options, rank, size) for rank in range(size)]
        for whole, *own in zip(one, *parts, strict=True):
            together = joined(list(own))
            assert torch.equal(together.index, whole.index)
            assert torch.equal(together.image, whole.image)
