"""Shards: positions and labels from their headers, the same batches however they are read, and what is said of bad ones."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import torch
from conftest import MOCO, SIMCLR, Write, problems_of
from picture_files import write_folder
from shard_files import jpeg, samples, tar, write_set

from graphssl import spec
from graphssl.api import check
from graphssl.data import (
    Batch,
    Datasets,
    copies,
    facts,
    index_shards,
    indices,
    open_data,
    shards,
    tarindex,
    workers,
    write_shards,
)
from graphssl.data.addresses import expanded
from graphssl.data.decode import picture
from graphssl.data.order import permutation, windowed
from graphssl.data.tarindex import load, scan
from graphssl.errors import RunError
from graphssl.spec import GraphFile, validate

OPEN: list[Datasets] = []
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("GRAPHSSL_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    while OPEN:
        OPEN.pop().close()
    fsspec.filesystem("memory").store.clear()


def config(root: Path | str, **values: object) -> spec.Data:
    settings = {"use": "webdataset", "root": str(root), "size": 16, "batch": 4, "resident": "workers", "workers": 0}
    return spec.Data(**{**settings, **values})  # type: ignore[arg-type]


def opened(root: Path | str, **values: object) -> Datasets:
    OPEN.append(open_data(config(root, **values), CPU, 0))
    return OPEN[-1]


def same(a: list[Batch], b: list[Batch]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x, y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set")


# -- what is read ----------------------------------------------------------------------------------------------------


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


def test_written_shards_hold_what_the_folder_holds(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", each=12)
    assert write_shards(folder, tmp_path / "shards", samples=10) == {"train": 24, "test": 24}
    data, plain = opened(tmp_path / "shards"), open_data(config(folder, use="image_folder"), CPU, 0)
    assert sorted(p.name for p in (tmp_path / "shards").iterdir() if p.suffix == ".tar") == [
        "test-000000.tar", "test-000001.tar", "test-000002.tar", "train-000000.tar", "train-000001.tar", "train-000002.tar",
    ]  # fmt: skip
    assert data._train.files.paths[10].endswith("train-000001.tar: 000000010.jpg"), "keys go on"  # type: ignore[attr-defined]
    for ours, theirs in ((data.reference(30), plain.reference(30)), (data.test(30), plain.test(30))):
        a, b = next(ours), next(theirs)
        found = {(i.numpy().tobytes(), int(y)) for i, y in zip(a.image, a.label, strict=True)}
        assert found == {(i.numpy().tobytes(), int(y)) for i, y in zip(b.image, b.label, strict=True)}
        assert a.label.tolist() != sorted(a.label.tolist()), (
            "an epoch mixes only some shards, so each mixes the classes"
        )


# -- which shards ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "values", "expected"),
    [
        ("", {}, (15, 3)), ("train-{0..2}.tar", {}, (15, 0)), ("train-{0,2}.tar", {"test": "test-0.tar"}, (11, 3)),
        ("train-*.tar", {"test": "test-*.tar"}, (15, 3)), ("*.tar", {"test": "train-{1..2}.tar"}, (8, 10)),
        ("train-1.tar", {}, (4, 0)), ("train-1.tar", {"resident": "memory"}, (4, 0)),
    ],
)  # fmt: skip
def test_shards_by_pattern(root: Path, pattern: str, values: dict[str, str], expected: tuple[int, int]) -> None:
    values = {key: str(root / value) if key == "test" else value for key, value in values.items()}
    data = opened(root / pattern, **values)
    assert (data.train.samples, data.held_out) == expected
    assert sum(len(batch.label) for batch in data.test(2)) == expected[1]


def test_braces_are_written_out() -> None:
    assert expanded("a-{08..10}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar"]
    assert expanded("{x,y}/{0..1}") == ["x/0", "x/1", "y/0", "y/1"]
    assert expanded("plain.tar") == ["plain.tar"]


def test_folders_and_names_say_what_is_held_out(tmp_path: Path) -> None:
    tar(tmp_path / "a" / "train" / "0.tar", samples(0, 4))
    tar(tmp_path / "a" / "val" / "0.tar", samples(0, 2))
    assert opened(tmp_path / "a").held_out == 2
    tar(tmp_path / "b" / "imagenet-train-0.tar", samples(0, 4))
    tar(tmp_path / "b" / "imagenet-validation-0.tar", samples(0, 3))
    tar(tmp_path / "b" / "extra.tar", samples(0, 1))
    assert (opened(tmp_path / "b").train.samples, opened(tmp_path / "b").held_out) == (4, 3)
    tar(tmp_path / "c" / "trainer.tar", samples(0, 4))
    tar(tmp_path / "c" / "latest.tar", samples(4, 4))
    assert (opened(tmp_path / "c").train.samples, opened(tmp_path / "c").held_out) == (8, 0)


# -- layouts ---------------------------------------------------------------------------------------------------------


def one(path: Path, members: dict[str, bytes]) -> Datasets:
    return opened(tar(path / "train.tar", members), batch=1)


@pytest.mark.parametrize(
    ("text", "labels", "classes"),
    [
        ({"cls": b"1"}, [1], ("0", "1")), ({"cls": b"1\n"}, [1], ("0", "1")), ({"cls": b"01"}, [1], ("0", "1")),
        ({"json": b'{"label": 1}'}, [1], ("0", "1")), ({"json": b'{"cls": "bee", "x": 2}'}, [0], ("bee",)),
        ({"cls": b"bee"}, [0], ("bee",)), ({"cls": b"-1"}, [-1], ()), ({"cls": b"-7"}, [-1], ()), ({}, [-1], ()), ({"json": b"[1]"}, [-1], ()),
        ({"json": b"no json"}, [-1], ()), ({"json": b'{"label": true}'}, [-1], ()), ({"txt": b"1"}, [-1], ()),
        ({"cls": b"1", "json": b'{"label": 0}'}, [1], ("0", "1")), ({"json": b'{"label": 0}', "cls": b"1"}, [1], ("0", "1")),
        ({"cls": b"5000000000"}, [0], ("5000000000",)),
    ],
)  # fmt: skip
def test_labels(tmp_path: Path, text: dict[str, bytes], labels: list[int], classes: tuple[str, ...]) -> None:
    data = one(tmp_path, {"a.jpg": jpeg(0), **{f"a.{suffix}": content for suffix, content in text.items()}})
    assert next(data.train.epoch(0)).label.tolist() == labels
    assert data.classes == classes


def test_names_of_classes_are_numbered_in_their_order(tmp_path: Path) -> None:
    names = ["wasp", "ant", "bee", "ant"]
    members = {}
    for n, name in enumerate(names):
        members |= {f"{n}.jpg": jpeg(n), f"{n}.cls": name.encode()}
    data = one(tmp_path, members)
    assert data.classes == ("ant", "bee", "wasp")
    assert next(data.reference(4)).label.tolist() == [2, 0, 1, 0]


def test_only_labelled_samples_are_referred_to(tmp_path: Path) -> None:
    data = one(tmp_path, {"a.jpg": jpeg(0), "b.jpg": jpeg(1), "b.cls": b"0", "c.jpg": jpeg(2)})
    assert next(data.reference(4)).index.tolist() == [1]


def test_a_sample_is_what_shares_a_key(tmp_path: Path) -> None:
    members = {
        "x/1.cls": b"1", "x/1.jpg": jpeg(0), "x/1.seg.png": b"no picture", "y/1.JPEG": jpeg(1), "y/1.cls": b"0", "z.txt": b"no picture",
        ".hidden.jpg": b"", "v1.5/7.input.jpg": jpeg(2), "__key__": b"", "_.jpg": jpeg(3),
    }  # fmt: skip
    data = one(tmp_path, members)
    batch = next(data.train._source.read(torch.arange(4), 4, full=False))
    assert data.train.samples == 4
    assert batch.label.tolist() == [1, 0, -1, -1]
    for n, image in enumerate(batch.image):
        assert torch.equal(image, picture(jpeg(n), 16))


def test_folders_and_links_in_a_tar_are_passed_over(tmp_path: Path) -> None:
    import io
    import tarfile

    with tarfile.open(tmp_path / "train.tar", "w") as file:
        for name, kind in (("d.jpg", tarfile.DIRTYPE), ("l.jpg", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type = kind
            file.addfile(member)
        member = tarfile.TarInfo("n" * 150 + ".jpg")  # of several headers
        member.size = len(jpeg(5))
        file.addfile(member, io.BytesIO(jpeg(5)))
    data = opened(tmp_path / "train.tar", batch=1)
    assert data.train.samples == 1
    assert torch.equal(next(data.train.epoch(0)).image[0], picture(jpeg(5), 16))


# -- the order -------------------------------------------------------------------------------------------------------


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


# -- indices ---------------------------------------------------------------------------------------------------------


def test_an_index_is_made_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scanned: list[str] = []
    monkeypatch.setattr(indices, "scan", lambda path, called: (scanned.append(called), scan(path, called))[1])
    opened(root), opened(root)
    assert sorted(scanned) == sorted(str(p) for p in root.glob("*.tar"))
    tar(root / "train-1.tar", samples(100, 7))
    assert opened(root).train.samples == 18, "a shard that was written again is scanned again"
    assert len(scanned) == 5


def test_progress_is_told_of_what_is_scanned(root: Path) -> None:
    said: list[tuple[int, int]] = []
    for _ in range(2):
        open_data(config(root), CPU, 0, progress=lambda done, total: said.append((done, total))).close()
    assert [done for done, _ in said] == [5, 9, 15, 18], "once; the second time the indices are kept"
    assert (said[0], said[-1]) == ((5, 20), (18, 18))


def test_an_index_beside_its_shard_is_taken(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = opened(root)
    for shard in root.glob("*.tar"):
        scan(str(shard), "").save(Path(f"{shard}.index"))
    monkeypatch.setattr(indices, "scan", None)
    monkeypatch.setenv("GRAPHSSL_CACHE", "/nowhere/at/all")
    assert same(list(opened(root).train.epoch(0)), list(before.train.epoch(0)))


def test_an_index_of_another_file_is_not_taken(root: Path) -> None:
    assert (root / "train-0.tar").stat().st_size == (root / "train-1.tar").stat().st_size
    scan(str(root / "train-0.tar"), "").save(root / "train-1.tar.index")
    assert opened(root).train.samples == 15
    url = upload(root)
    with pytest.raises(RunError, match=r"train-1\.tar' is not the one that its index knows: .*Remove the index \('"):
        list(opened(url).train.epoch(0))


def test_a_cache_that_cannot_be_written_costs_a_scan(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "file").touch()
    monkeypatch.setenv("GRAPHSSL_CACHE", str(root / "file"))
    assert opened(root).train.samples == 15


@pytest.mark.parametrize("spoil", [b"", b"no zip", b"PK\x03\x04 cut"])
def test_a_spoilt_index_is_made_again(root: Path, cache: Path, spoil: bytes) -> None:
    opened(root)
    kept = list(cache.rglob("*.index"))
    assert len(kept) == 4
    for path in kept:
        assert load(path) is not None
        path.write_bytes(spoil)
        assert load(path) is None
    assert opened(root).train.samples == 15


def test_an_index_of_another_version_is_made_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan(str(root / "train-0.tar"), "").save(root / "0.index")
    assert load(root / "0.index") is not None
    monkeypatch.setattr(tarindex, "VERSION", "2")
    assert load(root / "0.index") is None


def test_names_of_any_kind_survive(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"ä/ö ü.jpg": jpeg(0), "ä/ö ü.cls": "käfer".encode(), "\udcff.jpg": jpeg(1)})
    index = scan(str(path), "")
    index.save(tmp_path / "a.index")
    again = load(tmp_path / "a.index")
    assert again is not None
    assert (again.names, again.labels) == (index.names, index.labels) == (("ä/ö ü.jpg", "\udcff.jpg"), ("käfer", ""))
    assert again.offset.tolist() == index.offset.tolist()


def test_the_fingerprint_is_of_the_training_names_and_labels(tmp_path: Path) -> None:
    one, two = write_set(tmp_path / "one"), write_set(tmp_path / "two", test=(5,))
    before = opened(one).fingerprint
    assert before == opened(two).fingerprint
    tar(two / "train-0.tar", {**samples(0, 5), "0001.cls": b"0"})
    assert opened(two).fingerprint != before
    (one / "train-0.tar").rename(one / "train-00.tar")
    assert opened(one).fingerprint != before


def test_shards_go_to_another_process(root: Path) -> None:
    source = opened(root)._train.files  # type: ignore[attr-defined]
    assert source.read(3) == jpeg(3)
    assert pickle.loads(pickle.dumps(source)).read(3) == jpeg(3)


def test_few_files_are_open_at_a_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "OPEN", 2)
    data = opened(root)
    source = data._train.files  # type: ignore[attr-defined]
    list(data.train.epoch(0))
    assert len(source._files) == 2
    data.close()
    assert not source._files


# -- what is wrong ---------------------------------------------------------------------------------------------------


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


def no_tar(root: Path) -> None:
    (root / "train-1.tar").write_bytes(b"this is no tar" * 100)


def cut(root: Path) -> None:
    content = (root / "train-1.tar").read_bytes()
    (root / "train-1.tar").write_bytes(content[: content.index(b"0102.jpg") + 700])


def zipped(root: Path) -> None:
    (root / "train-1.tar").write_bytes(gzip.compress((root / "train-1.tar").read_bytes()))


def header(root: Path) -> None:
    content = bytearray((root / "train-1.tar").read_bytes())
    content[content.index(b"0102.jpg") + 150] ^= 1  # its checksum
    (root / "train-1.tar").write_bytes(content)


def texts(root: Path) -> None:
    tar(root / "train-1.tar", {"a.txt": b"", "a.cls": b"1"})


def empty(root: Path) -> None:
    (root / "train-1.tar").write_bytes(b"")


DAMAGE = {
    no_tar: r"the shard '.*train-1\.tar' is no whole tar", cut: r"train-1\.tar' is no whole tar: unexpected end of data",
    zipped: r"train-1\.tar' is compressed \(gzip\).*Unpack it", header: r"train-1\.tar' is no whole tar: a header is damaged",
    texts: r"no picture in the shard '.*train-1\.tar': a sample is KEY\.jpg", empty: r"train-1\.tar' is no whole tar: empty file",
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda f: f.__name__)
def test_a_damaged_shard_is_named(root: Path, damage: object) -> None:
    damage(root)  # type: ignore[operator]
    with pytest.raises(RunError, match=DAMAGE[damage]) as caught:  # type: ignore[index]
        opened(root)
    assert "\n" not in str(caught.value)


def test_a_shard_that_changes_while_it_is_used(root: Path) -> None:
    data = opened(root)
    tar(root / "train-1.tar", samples(100, 20))
    with pytest.raises(
        RunError,
        match=r"train-1\.tar' is not the one that its index knows: it has changed since the set was opened\. Start again",
    ):
        list(data.train.epoch(0))


def test_a_shard_that_is_cut_while_it_is_used(root: Path) -> None:
    source = opened(root)._train.files  # type: ignore[attr-defined]
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


# -- addresses of others ---------------------------------------------------------------------------------------------


def upload(root: Path, to: str = "/bucket/set") -> str:
    """The shards at an address that fsspec keeps in memory."""
    system = fsspec.filesystem("memory")
    for path in root.iterdir():
        system.pipe_file(f"{to}/{path.name}", path.read_bytes())
    return f"memory:/{to}"


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("pattern", ["", "/*.tar", "/{train,test}-{0..0}.tar"])
def test_an_address_gives_the_same_batches(root: Path, workers: int, pattern: str) -> None:
    url = upload(root)
    here, there = opened(f"{root}{pattern}", window=1), opened(f"{url}{pattern}", window=1, workers=workers)
    for epoch in range(2):
        assert same(list(here.train.epoch(epoch)), list(there.train.epoch(epoch)))
    assert same(list(here.test(3)), list(there.test(3)))
    assert here.fingerprint == there.fingerprint


def test_an_index_beside_a_shard_far_away_spares_its_fetching(root: Path, cache: Path) -> None:
    assert index_shards(str(root)) == 18
    data = opened(upload(root))
    assert data.train.samples == 15
    assert not list(cache.rglob("*.tar"))
    list(data.test(3))
    assert len(list(cache.rglob("*.tar"))) == 1


def test_copies_are_fetched_once_and_again_when_they_are_gone(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    plain = copies.Copies._fetch
    monkeypatch.setattr(copies.Copies, "_fetch", lambda s, url, to: (fetched.append(url), plain(s, url, to))[1])
    data = opened(upload(root), window=1)
    whole = list(data.train.epoch(0))
    assert len(fetched) == 4
    data._train.files.close()  # type: ignore[attr-defined]
    for path in cache.rglob("*.tar"):
        path.unlink()
    assert same(whole, list(data.train.epoch(0)))
    assert len(fetched) == 7


def test_the_copies_used_longest_ago_make_room(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from types import SimpleNamespace

    kept = copies.Copies()
    url = upload(root)
    for number in (0, 1):
        os.utime(kept.path(f"{url}/train-{number}.tar"), (number, number))
    sizes = [path.stat().st_size for path in cache.rglob("*.tar")]

    def usage(folder: Path) -> object:
        used = sum(path.stat().st_size for path in folder.glob("*.tar"))
        return SimpleNamespace(total=1, free=sum(sizes) + 15_000 - used)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    kept.path(f"{url}/train-0.tar")  # used again
    kept.path(f"{url}/train-2.tar")
    assert sorted(re.sub(".*-", "", p.name) for p in cache.rglob("*.tar")) == ["0.tar", "2.tar"]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(total=1, free=10))
    with pytest.raises(RunError, match=r"no room for a shard of .* GB; GRAPHSSL_CACHE"):
        kept.path(f"{url}/test-0.tar")


def test_shards_that_are_needed_soon_are_fetched_ahead(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = opened(upload(root), window=1)
    asked: list[list[str]] = []
    monkeypatch.setattr(workers, "SOON", 8)
    monkeypatch.setattr(copies.Copies, "ahead", lambda s, urls: asked.append([url[-5] for url in urls]))
    order = [index // 100 for index in (torch.tensor([*range(5), *range(100, 104), *range(200, 206)])).tolist()]
    epoch = data.train._source.order(0, 0).tolist()
    list(data.train.epoch(0))
    batches = [sorted({str(order[i]) for i in epoch[at : at + 4]}) for at in (0, 4, 8)]
    assert asked == [batches[0], batches[2], batches[1], [], batches[2], []], (
        "for each batch it, and the one after the next"
    )


def test_copies_are_not_held_open_for_long(tmp_path: Path) -> None:
    """A copy that made room frees none before the last process has closed it."""
    data = opened(upload(write_set(tmp_path / "set", train=(2,) * 6)), window=1)
    list(data.train.epoch(0))
    assert len(data._train.files._files) == 3  # type: ignore[attr-defined]


def test_a_fetch_that_ends_early_is_noticed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = upload(root)
    system = type(fsspec.filesystem("memory"))
    monkeypatch.setattr(system, "get_file", lambda self, path, to, **more: Path(to).write_bytes(b"half"))
    monkeypatch.setattr(copies, "PAUSE", 0)
    with pytest.raises(RunError, match=r"train-0\.tar' cannot be fetched: it ended after 4 of [\d,]+ bytes"):
        copies.Copies().path(f"{url}/train-0.tar")


def test_a_fetch_is_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, left = upload(root), [2]
    plain = type(fsspec.filesystem("memory")).get_file

    def flaky(self: object, *args: object, **more: object) -> None:
        if left[0]:
            left[0] -= 1
            raise TimeoutError("too slow")
        plain(self, *args, **more)

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "get_file", flaky)
    monkeypatch.setattr(copies, "PAUSE", 0)
    assert Path(copies.Copies().path(f"{url}/train-0.tar")).read_bytes() == (root / "train-0.tar").read_bytes()
    left[0] = 3
    with pytest.raises(RunError, match=r"train-1\.tar' cannot be fetched: too slow"):
        copies.Copies().path(f"{url}/train-1.tar")


def test_a_shard_that_is_gone_at_its_address(root: Path, cache: Path) -> None:
    url = upload(root)
    data = opened(url)
    for path in cache.rglob("*.tar"):
        path.unlink()
    fsspec.filesystem("memory").rm("/bucket/set/train-1.tar")
    with pytest.raises(RunError, match=r"^there is no shard 'memory://.*train-1\.tar'$"):
        list(data.train.epoch(0))


def test_a_file_that_is_not_at_an_address_is_named() -> None:
    with pytest.raises(RunError, match=r"there is no shard 'memory://bucket/a-0\.tar'"):
        opened("memory://bucket/a-{0..3}.tar")
    with pytest.raises(RunError, match=r"there is no training shard: no file of 'memory://bucket' ends in \.tar"):
        opened("memory://bucket")


# -- in a graph ------------------------------------------------------------------------------------------------------


def graph(write: Write, data: str, text: str = SIMCLR) -> Path:
    return write(text, ("use: digits,", f"use: webdataset, size: 32, {data},"))


def test_check_reads_names_and_nothing_else(root: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indices, "scan", None)
    monkeypatch.setattr(indices, "load", None)
    found = check(graph(write, f"root: {root}"))
    assert (found.data.samples, found.data.classes, found.data.height) == (None, None, 32)
    assert check(graph(write, "root: 'memory://nowhere/x-{0..9}.tar'")).data.samples is None
    assert check(graph(write, "root: 'memory://nowhere/x', samples: 500")).data.samples == 500


WRONG = [
    ("root: NOWHERE", "there is no folder 'NOWHERE'"),
    ("root: 'NOWHERE/x-{0..3}.tar'", "there is no shard 'NOWHERE/x-0.tar', nor 3 more"),
    ("root: ROOT, test: 'ROOT/test-{0..1}.tar'", "there is no shard 'ROOT/test-1.tar'"),
    ("root: ROOT, test: 'ROOT/val-*.tar'", "there is no held-out shard: no file of 'ROOT/val-*.tar' ends in .tar"),
    ("root: 'ROOT/x*.tar'", "there is no training shard: no file of 'ROOT/x*.tar' ends in .tar"),
    ("root: 'x-{9..1}.tar'", "'x-{9..1}.tar' counts backwards"),
    ("root: 'foo://x'", "'foo://' is no protocol that fsspec knows"),
    ("root: ROOT, download: true", "'webdataset' cannot be downloaded"),
    ("batch: 5", "'webdataset' needs a root"),
]


@pytest.mark.parametrize(("data", "message"), WRONG, ids=[w[0] for w in WRONG])
def test_check_says_what_is_not_there(root: Path, write: Write, tmp_path: Path, data: str, message: str) -> None:
    filled = [text.replace("ROOT", str(root)).replace("NOWHERE", str(tmp_path / "none")) for text in (data, message)]
    path = write(SIMCLR, ("use: digits, batch: 16", f"use: webdataset, size: 32, {filled[0]}"))
    (found,) = problems_of(check, path)
    assert filled[1] in found
    assert "graph.yaml:2:" in found


def test_a_package_that_is_missing_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    plain = builtins.__import__

    def without(name: str, *args: object, **more: object) -> object:
        if name.split(".")[0] == "s3fs":
            raise ImportError(name)
        return plain(name, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    (found,) = problems_of(check, graph(write, "root: 's3://bucket/x-{0..9}.tar'"))
    assert "'s3://' needs the package 's3fs': pip install s3fs" in found


def test_a_bank_needs_the_number_of_samples(root: Path, write: Write) -> None:
    bank = [
        ("  queue:     {use: negatives.queue, size: 48}", "  bank: {use: negatives.memory_bank, sample: 8}"),
        ("queue())", "bank(batch.index))"), ("queue: push(k)", "bank: store(batch.index, k)"),
    ]  # fmt: skip
    where = f"use: webdataset, root: {root}, size: 32,"
    (found,) = problems_of(check, write(MOCO, ("use: digits,", where), *bank))
    assert "needs the number of training samples" in found
    assert check(write(MOCO, ("use: digits,", f"{where} samples: 1000,"), *bank)).data.samples == 1000


@pytest.mark.parametrize(("key", "value"), [("test", "x"), ("samples", 5), ("window", 3)])
def test_keys_of_shards_are_refused_elsewhere(key: str, value: object) -> None:
    sections = {"graph": "g", "nodes": {}, "flow": {}, "loss": {}}
    found = validate(GraphFile, {**sections, "data": {key: value}})[1]
    assert [message for _, message, _ in found] == [f"'{key}' is for 'webdataset' alone, and the data set is 'digits'"]
    resolved = spec.Data().model_dump(mode="json")
    assert not validate(GraphFile, {**sections, "data": resolved})[1], "the defaults, written out"


def test_facts_of_shards() -> None:
    known = facts(config("/nowhere", size=None, samples=70))
    assert (known.samples, known.height, known.classes, known.fewer_than(71)) == (70, 224, None, 70)


def test_json_labels_that_are_long_are_no_labels(tmp_path: Path) -> None:
    text = json.dumps({"label": [0, 1], "caption": "a bee"}).encode()
    assert one(tmp_path, {"a.jpg": jpeg(0), "a.json": text}).classes == ()
