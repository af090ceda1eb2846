"""Views are cut of whole pictures, each at its own size, in the same way wherever the pictures are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import CPU
from picture_files import picture, same
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from graphssl.components.augment.cut import RandomCrops
from graphssl.data import Batch, Datasets, open_data, write_shards
from graphssl.data.batch import Cutting
from graphssl.data.decode import decode
from graphssl.data.foresight import foreseen
from graphssl.graph import spec

WIDE, SMALL = (
    RandomCrops(2, (24, 24), (0.08, 1.0), (0.75, 1.33), 0.5),
    RandomCrops(3, (8, 12), (0.05, 0.3), (0.75, 1.33), 0),
)
CUTS = ((WIDE, SMALL), (RandomCrops(1, (16, 16), (0.3, 1.0), (1.0, 1.0), 0.0),))
SIDES = [(40, 48), (100, 20), (33, 33), (20, 100), (64, 50), (47, 31)]
WORKERS, MEMORY = {"resident": "workers"}, {"resident": "memory"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """PNGs, which decode to what they were made of."""
    for part, each in (("train", 12), ("test", 4)):
        for label in ("ant", "bee"):
            folder = tmp_path / "set" / part / label
            folder.mkdir(parents=True)
            for i in range(each):
                picture(100 * each + i, *SIDES[i % len(SIDES)]).save(folder / f"{i:03d}.png")
    return tmp_path / "set"


def cut(root: Path, *, image: bool = False, **options: Any) -> Datasets:
    settings = {"use": "image_folder", "root": str(root), "size": 16, "batch": 6, "workers": 0, **options}
    data = open_data(spec.Data.model_validate(settings), CPU, 7)
    data.train.cut(CUTS, image)
    return data


def epoch(data: Datasets, number: int = 1, start: int = 0) -> list[Batch]:
    with closing(data):
        return list(data.train.epoch(number, start))


def pixels(root: Path, index: int) -> Tensor:
    path = root / "train" / ("ant", "bee")[index // 12] / f"{index % 12:03d}.png"
    return torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)


def all_views(batch: Batch) -> Iterator[tuple[RandomCrops, Tensor]]:
    for cuts, made in zip(CUTS, batch.cuts, strict=True):
        yield from zip(cuts, made, strict=True)


@pytest.mark.parametrize("options", [WORKERS, {**WORKERS, "workers": 2}, MEMORY])
def test_views_are_resized_crops_of_the_picture_in_its_own_pixels(root: Path, options: dict[str, Any]) -> None:
    batch = epoch(cut(root, **options), 3)[0]
    numbers = torch.Generator().manual_seed(Cutting(seed=7, epoch=3).seed_of(0))
    assert batch.image.shape == (6, 0), "nobody asked for it"
    for own, made in all_views(batch):
        uniform = torch.rand((6, own.views, own.numbers), generator=numbers)
        views = made.unflatten(0, (own.views, 6))
        for slot, index in enumerate(batch.index.tolist()):
            whole = pixels(root, index)
            boxes = torch.stack(list(own.boxes((whole.shape[1], whole.shape[2]), uniform[slot])), 1).int().tolist()
            for view, box in enumerate(boxes):
                expected = tv.resized_crop(whole, *box, list(own.size), antialias=True)
                mirrored = bool(uniform[slot, view, -1] < own.flip)
                assert torch.equal(views[view, slot], expected.flip(2) if mirrored else expected)


def test_all_places_give_the_same_batches(root: Path, tmp_path: Path) -> None:
    write_shards(root, tmp_path / "shards", samples=100)
    here = [epoch(cut(root, image=True, **place)) for place in (WORKERS, MEMORY, {**WORKERS, "workers": 2})]
    assert same(here[0], here[1])
    assert same(here[0], here[2])
    shards = [epoch(cut(tmp_path / "shards", image=True, use="webdataset", **place)) for place in (WORKERS, MEMORY)]
    assert same(shards[0], shards[1])


def test_an_epoch_begun_in_its_middle_is_the_same(root: Path) -> None:
    whole = epoch(cut(root, image=True, **WORKERS), 2)
    assert same(whole[2:], epoch(cut(root, image=True, **WORKERS), 2, 2))
    assert not torch.equal(whole[0].cuts[0][0], epoch(cut(root, **WORKERS), 3)[0].cuts[0][0])


def test_views_of_one_picture_differ(root: Path) -> None:
    first, second = epoch(cut(root))[0].cuts[0][0].chunk(2)
    assert all(not torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_picture_is_decoded_once_for_all_of_its_views(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from graphssl.data import reader

    decoded: list[int] = []
    monkeypatch.setattr(reader, "decode", lambda *of: (decoded.append(1), decode(*of))[1])
    next(cut(root, image=True, **WORKERS).train.epoch(0))
    assert len(decoded) == 6
    decoded.clear()
    data = cut(root, image=True, **MEMORY)
    assert len(decoded) == 24 + 8
    epoch(data)
    assert len(decoded) == 24 + 8


def test_a_batch_that_is_filled_up_has_views_in_all_places(root: Path) -> None:
    for path in sorted((root / "train").rglob("*.png"))[2:]:
        path.write_bytes(b"none")
    batch = epoch(cut(root, image=True, on_bad_image="skip", batch=24, **WORKERS))[0]
    assert sorted(set(batch.index.tolist())) == [0, 1]
    views = batch.cuts[0][0].unflatten(0, (2, 24))
    assert torch.equal(views[:, 0], views[:, 2])
    assert torch.equal(batch.image[1], batch.image[3])


def test_memory_is_foreseen_from_headers(root: Path) -> None:
    data: Any = cut(root, **MEMORY)
    kept = data._train._kept.bytes
    assert kept == sum(pixels(root, index).numel() for index in range(24))
    assert foreseen(data._train.files._files) == kept
    assert any("GB" in note and "whole" in note for note in data.notes)
