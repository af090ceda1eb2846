"""Shards: the same batches however they are read, their order, how they are written, and what is said of bad ones."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from picture_files import same, write_folder
from shard_files import CPU, config, files_of, jpeg, opened, own_cache, samples, tar, write_set

from graphssl.data import index_shards, open_data, write_shards
from graphssl.data.decode import picture
from graphssl.data.order import permutation, windowed
from graphssl.data.shards import shards
from graphssl.errors import RunError

cache = pytest.fixture(autouse=True)(own_cache)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set")


# -- what is read ------------------------------------------------------------------------------------------------------


def test_a_position_is_a_samples_place_in_the_shards_in_order(root: Path) -> None:
    data = opened(root)
    numbers = [*range(5), *range(100, 104), *range(200, 206)]
    assert (data.train.samples, data.held_out, data.classes, data.place) == (15, 3, ("0", "1"), "workers")
    for batch in data.train.epoch(0):
        for image, index, label in zip(*batch, strict=True):
            number = numbers[int(index)]
            assert torch.equal(image, picture(jpeg(number), 16))
            assert label == number % 2
    held = next(data.test(10))
    assert (held.index.tolist(), held.label.tolist()) == ([0, 1, 2], [0, 1, 0])
    assert torch.equal(held.image[2], picture(jpeg(1002), 16))
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
    assert not train._files._files
    assert len(list(data.train.epoch(0))) == 3


def test_few_files_are_open_at_a_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "OPEN", 2)
    data = opened(root)
    source = files_of(data)
    list(data.train.epoch(0))
    assert len(source._files) == 2
    data.close()
    assert not source._files


# -- the order ---------------------------------------------------------------------------------------------------------


def test_a_window_mixes_so_many_shards_at_a_time() -> None:
    shard = torch.arange(40).repeat_interleave(100)
    order = windowed(shard, 4, 0, 0)
    assert torch.equal(order.sort().values, torch.arange(4000))
    for start in range(0, 4000, 100):
        assert 4 <= len(shard[order[start : start + 100]].unique()) <= 6, "also where the epoch begins and ends"
    spans = [(shard[order] == s).nonzero().flatten() for s in range(40)]
    assert sum(int(at[-1] - at[0]) > 600 for at in spans) <= 4, "but for those that go round the ring"


def test_a_window_of_all_shards_is_any_order() -> None:
    shard = torch.arange(3).repeat_interleave(50)
    assert torch.equal(windowed(shard, 3, 1, 2), permutation(150, 1, 2))
    assert windowed(shard[:0], 3, 0, 0).tolist() == []


def test_a_windows_order_depends_on_seed_and_epoch_alone() -> None:
    shard = torch.arange(9).repeat_interleave(7)
    before = torch.get_rng_state()
    orders = {(s, e): windowed(shard, 2, s, e) for s in range(2) for e in range(2)}
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(order, windowed(shard, 2, *key)) for key, order in orders.items())
    assert len({str(order.tolist()) for order in orders.values()}) == 4


# -- writing -----------------------------------------------------------------------------------------------------------


def test_written_shards_hold_what_the_folder_holds(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", each=12)
    assert write_shards(folder, tmp_path / "shards", samples=10) == {"train": 24, "test": 24}
    data, plain = opened(tmp_path / "shards"), open_data(config(folder, use="image_folder"), CPU, 0)
    assert sorted(p.name for p in (tmp_path / "shards").iterdir() if p.suffix == ".tar") == [
        "test-000000.tar", "test-000001.tar", "test-000002.tar", "train-000000.tar", "train-000001.tar", "train-000002.tar",
    ]  # fmt: skip
    assert files_of(data).paths[10].endswith("train-000001.tar: 000000010.jpg"), "keys go on"
    for ours, theirs in ((data.reference(30), plain.reference(30)), (data.test(30), plain.test(30))):
        a, b = next(ours), next(theirs)
        found = {(i.numpy().tobytes(), int(y)) for i, y in zip(a.image, a.label, strict=True)}
        assert found == {(i.numpy().tobytes(), int(y)) for i, y in zip(b.image, b.label, strict=True)}
        assert a.label.tolist() != sorted(a.label.tolist()), (
            "an epoch mixes only some shards, so each mixes the classes"
        )


def test_shards_are_not_written_beside_others(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures")
    write_shards(folder, tmp_path / "shards", samples=10)
    before = {path.name: path.read_bytes() for path in (tmp_path / "shards").iterdir()}
    with pytest.raises(RunError, match=r"'.*/shards/.*\.tar' is there already.*take another folder"):
        write_shards(folder, tmp_path / "shards", samples=100)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "shards").iterdir()}


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures")
    gone = folder / "test" / "bee" / "gone.jpg"
    gone.symlink_to("nowhere")
    with pytest.raises(RunError, match=rf"'{gone}' cannot be read: No such file"):
        write_shards(folder, tmp_path / "shards")
    assert [path.name for path in (tmp_path / "shards").iterdir() if "test" in path.name] == []


@pytest.mark.parametrize("samples", [0, -1])
def test_a_shard_of_no_samples_is_refused(tmp_path: Path, samples: int) -> None:
    with pytest.raises(RunError, match="at least one sample"):
        write_shards(write_folder(tmp_path / "pictures"), tmp_path / "shards", samples=samples)


def test_where_nothing_can_be_written(tmp_path: Path, root: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"'.*/file/x' cannot be written: Not a directory"):
        write_shards(write_folder(tmp_path / "pictures"), tmp_path / "file" / "x")
    (root / "train-0.tar.index").mkdir()
    with pytest.raises(RunError, match=r"'.*/train-0\.tar\.index' cannot be written: Is a directory"):
        index_shards(str(root))


def test_indices_are_written_of_all_that_will_be_read(tmp_path: Path) -> None:
    tar(tmp_path / "train" / "0.tar", samples(0, 3))
    tar(tmp_path / "val" / "0.tar", samples(0, 2))
    assert index_shards(str(tmp_path)) == 5
    assert index_shards(str(tmp_path / "val")) == 2
    assert sorted(tmp_path.rglob("*.index")) == [tmp_path / "train" / "0.tar.index", tmp_path / "val" / "0.tar.index"]


@pytest.mark.parametrize("root", ["/nowhere", "/nowhere/*.tar", "memory://bucket/a-{0..3}.tar"])
def test_indices_of_nothing_are_refused(root: str) -> None:
    with pytest.raises(RunError, match="there is no shard on this machine: no file of"):
        index_shards(root)


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
