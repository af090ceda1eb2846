"""Indices of shards: when one is made and when it is not, and where it is kept."""

from __future__ import annotations

import builtins
import errno
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_files import same
from shard_files import CPU, config, files_of, opened, own_cache, own_set, samples, tar, upload

from graphssl.data import open_data
from graphssl.data.shards import indices
from graphssl.data.shards.index import load, scan
from graphssl.errors import RunError

cache = pytest.fixture(autouse=True)(own_cache)
root = pytest.fixture(own_set)


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


def test_an_index_that_is_older_than_its_shard_is_not_taken(tmp_path: Path) -> None:
    """Other labels of the same pictures leave its length and its headers as they were."""
    shard = tar(tmp_path / "train.tar", samples(0, 4))
    scan(str(shard), "").save(Path(f"{shard}.index"))
    assert files_of(opened(shard)).label.tolist() == [0, 1, 0, 1]
    tar(shard, {**samples(0, 4), "0001.cls": b"0"})
    later = os.stat(f"{shard}.index").st_mtime + 1
    os.utime(shard, (later, later))
    assert files_of(opened(shard)).label.tolist() == [0, 0, 0, 1]


def test_an_index_beside_a_shard_that_cannot_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan(str(root / "train-1.tar"), "").save(root / "train-1.tar.index")
    plain = builtins.open

    def refuse(name: Any, *args: Any, **more: Any) -> object:
        if str(name).endswith("train-1.tar"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return plain(name, *args, **more)

    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(RunError, match=r"the shard '.*train-1\.tar' cannot be read: Permission denied"):
        opened(root)


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


def array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize("spoil", [b"", b"no zip", b"PK\x03\x04 cut", array()], ids=["empty", "text", "cut", "array"])
def test_a_spoilt_index_is_made_again(root: Path, cache: Path, spoil: bytes) -> None:
    opened(root)
    kept = list(cache.rglob("*.index"))
    assert len(kept) == 4
    for path in kept:
        assert load(path) is not None
        path.write_bytes(spoil)
        assert load(path) is None
    assert opened(root).train.samples == 15
