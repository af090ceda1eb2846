"""Copies of shards that lie elsewhere: fetched once, ahead and again, and making room for each other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
import torch
from picture_files import same
from shard_files import files_of, note_fetches, opened, own_cache, own_set, upload, write_set

from graphssl.data import workers
from graphssl.data.shards import copies
from graphssl.errors import RunError

cache = pytest.fixture(autouse=True)(own_cache)


root, fetched = pytest.fixture(own_set), pytest.fixture(note_fetches)


def test_copies_are_fetched_once_and_again_when_they_are_gone(root: Path, cache: Path, fetched: list[str]) -> None:
    data = opened(upload(root), window=1)
    whole = list(data.train.epoch(0))
    assert len(fetched) == 4
    files_of(data).close()
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
    assert len(files_of(data)._files) == 3


def test_a_fetch_that_ends_early_is_noticed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = upload(root)
    system = type(fsspec.filesystem("memory"))
    monkeypatch.setattr(system, "get_file", lambda self, path, to, **more: Path(to).write_bytes(b"half"))
    monkeypatch.setattr(copies, "PAUSE", 0)
    with pytest.raises(RunError, match=r"train-0\.tar' cannot be fetched: it ended after 4 of [\d,]+ bytes"):
        copies.Copies().path(f"{url}/train-0.tar")


def test_what_a_process_left_that_was_killed_is_written_over(root: Path, cache: Path) -> None:
    url = f"{upload(root)}/train-0.tar"
    kept = Path(copies.Copies().path(url))
    kept.unlink()
    kept.with_suffix(".partial").write_bytes(b"half of a shard" * 10_000)
    assert Path(copies.Copies().path(url)).read_bytes() == (root / "train-0.tar").read_bytes()
    assert [path for path in cache.rglob("*") if path.suffix == ".partial"] == []


def test_copies_make_room_whatever_they_are_called(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = fsspec.filesystem("memory")
    for name in ("a", "b"):
        system.pipe_file(f"/bucket/{name}", (root / "train-0.tar").read_bytes())
    kept = copies.Copies()
    kept.path("memory://bucket/a")
    monkeypatch.setattr(copies, "FREE", 1.0)
    kept.path("memory://bucket/b")
    assert [path.name[-2:] for path in (cache / "shards").iterdir() if path.suffix != ".lock"] == ["-b"]


PENDING = """
import sys, time
import fsspec
from graphssl.data.shards.copies import Copies

system = fsspec.filesystem("memory")
type(system).get_file = lambda *args, **more: time.sleep(1000)
for number in range(9):
    system.pipe_file(f"/bucket/{number}", b"")
Copies().ahead(f"memory://bucket/{number}" for number in range(9))
print("done")
"""


def test_a_process_ends_without_what_it_asked_for(cache: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PENDING], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout == "done\n"


INTERRUPTED = """
import os, signal, time
import fsspec
from graphssl.data.shards.copies import Copies
from graphssl.data.shards.indices import indices_of

def slow(*args, **more):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1000)

type(fsspec.filesystem("memory")).get_file = slow
urls = [f"memory://bucket/{number}.tar" for number in range(9)]
for url in urls:
    fsspec.filesystem("memory").pipe_file(url, b"")
try:
    indices_of(urls, Copies(), None)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_does_not_wait_for_whole_shards(cache: Path) -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout == "interrupted\n"


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
