"""Shards: the same batches however they are read, how many files are open, and what is said of bad ones."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from picture_files import same, seen
from shard_files import files_of, jpeg, opened, own_cache, own_set, samples, tar, write_set

from graphssl.data.shards import shards
from graphssl.errors import RunError

cache = pytest.fixture(autouse=True)(own_cache)
root = pytest.fixture(own_set)


# -- what is read ------------------------------------------------------------------------------------------------------


def test_a_position_is_a_samples_place_in_the_shards_in_order(root: Path) -> None:
    data = opened(root)
    numbers = [*range(5), *range(100, 104), *range(200, 206)]
    assert (data.train.samples, data.held_out, data.classes, data.place) == (15, 3, ("0", "1"), "workers")
    for batch in data.train.epoch(0):
        for image, index, label in zip(*batch[:3], strict=True):
            number = numbers[int(index)]
            assert torch.equal(image, seen(jpeg(number), 16))
            assert label == number % 2
    held = next(data.test(10))
    assert (held.index.tolist(), held.label.tolist()) == ([0, 1, 2], [0, 1, 0])
    assert torch.equal(held.image[2], seen(jpeg(1002), 16))
    assert torch.equal(next(data.reference(20)).index, torch.arange(15))


@pytest.mark.parametrize("values", [{"workers": 2}, {"resident": "memory"}])
@pytest.mark.parametrize("window", [1, 2, 16])
def test_the_batches_are_the_same_however_they_are_read(root: Path, values: dict[str, object], window: int) -> None:
    one, other = opened(root, window=window), opened(root, window=window, **values)
    for epoch in range(2):
        assert same(list(one.train.epoch(epoch)), list(other.train.epoch(epoch)))
    assert same(list(one.reference(4)), list(other.reference(4)))


@pytest.mark.parametrize("start", [1, 2])
def test_resuming_reads_nothing_of_what_it_skips(root: Path, start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data, seen = opened(root, window=2), list[int]()
    whole = list(data.train.epoch(3))
    plain = shards.Shards.read
    monkeypatch.setattr(shards.Shards, "read", lambda s, p: (seen.append(p), plain(s, p))[1])
    assert same(whole[start:], list(data.train.epoch(3, start)))
    assert len(seen) == 4 * (3 - start)


def test_an_epoch_shows_each_sample_once(root: Path) -> None:
    data = opened(root, window=2, last="keep")
    first, second = (torch.cat([b.index for b in data.train.epoch(e)]) for e in (0, 1))
    assert torch.equal(first.sort().values, torch.arange(15))
    assert torch.equal(second.sort().values, torch.arange(15))
    assert not torch.equal(first, second)


def test_the_fingerprint_is_of_the_training_names_and_labels(tmp_path: Path) -> None:
    one, two = write_set(tmp_path / "one"), write_set(tmp_path / "two", test=(5,))
    before = opened(one).fingerprint
    assert before == opened(two).fingerprint
    tar(two / "train-0.tar", {**samples(0, 5), "0001.cls": b"0"})
    assert opened(two).fingerprint != before
    (one / "train-0.tar").rename(one / "train-00.tar")
    assert opened(one).fingerprint != before


def test_shards_go_to_another_process(root: Path) -> None:
    source = files_of(opened(root))
    assert source.read(3) == jpeg(3)
    assert pickle.loads(pickle.dumps(source)).read(3) == jpeg(3)


def test_a_set_in_memory_keeps_no_file_open(root: Path) -> None:
    data = opened(root, resident="memory")
    train: Any = data._train
    assert not train.files._files._files
    assert len(list(data.train.epoch(0))) == 3


def test_few_files_are_open_at_a_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "OPEN", 2)
    data = opened(root)
    source = files_of(data)
    list(data.train.epoch(0))
    assert len(source._files) == 2
    data.close()
    assert not source._files


# -- what is wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_picture_stops_the_run_by_name(tmp_path: Path, workers: int) -> None:
    tar(tmp_path / "train.tar", {**samples(0, 3), "0003.jpg": b"no picture"})
    with pytest.raises(RunError, match=r"'.*train\.tar: 0003\.jpg': no known picture format\. .*on_bad_image: skip"):
        list(opened(tmp_path, workers=workers).train.epoch(0))


@pytest.mark.parametrize("resident", ["workers", "memory"])
def test_a_bad_picture_is_skipped_and_named(tmp_path: Path, resident: str) -> None:
    tar(tmp_path / "train.tar", {**samples(0, 8), "0003.jpg": b"", "0008.jpg": jpeg(8)})
    data = opened(tmp_path, on_bad_image="skip", resident=resident, last="keep")
    indices = torch.cat([b.index for b in data.train.epoch(0)]).tolist()
    assert 3 not in indices
    assert data.bad.names == [f"{tmp_path / 'train.tar'}: 0003.jpg: the file is empty"]


def test_a_shard_that_changes_while_it_is_used(root: Path) -> None:
    data = opened(root)
    tar(root / "train-1.tar", samples(100, 20))
    with pytest.raises(
        RunError,
        match=r"train-1\.tar' is not the one that its index knows: it has changed since the set was opened\. Start again",
    ):
        list(data.train.epoch(0))


def test_a_shard_that_is_cut_while_it_is_used(root: Path) -> None:
    source = files_of(opened(root))
    source.read(5)
    os.truncate(root / "train-1.tar", 1000)
    with pytest.raises(RunError, match=r"train-1\.tar' is not the one that its index knows"):
        source.read(8)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_shard_that_goes_away_while_it_is_used(root: Path, workers: int) -> None:
    data = opened(root, workers=workers)
    (root / "train-1.tar").unlink()
    with pytest.raises(RunError, match=r"the shard '.*train-1\.tar' cannot be read: No such file") as caught:
        list(data.train.epoch(0))
    assert "Traceback" not in str(caught.value)


def test_more_samples_than_the_graph_says_are_refused(root: Path) -> None:
    assert opened(root, samples=15).train.samples == opened(root, samples=16).train.samples == 15
    with pytest.raises(RunError, match=r"15 training samples, and data\.samples says 14"):
        opened(root, samples=14)


def test_a_held_out_class_must_be_known(root: Path) -> None:
    tar(root / "test-0.tar", {"a.jpg": jpeg(0), "a.cls": b"7"})
    with pytest.raises(RunError, match=r"the class '7' of the shard '.*test-0\.tar' has no training pictures"):
        opened(root)
