"""Versions of a shard that lies elsewhere: one that was replaced is fetched and indexed anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from picture_files import same
from shard_files import files_of, note_fetches, opened, own_cache, own_set, samples, tar, upload

from graphssl.data.shards.versions import versions_of

cache = pytest.fixture(autouse=True)(own_cache)


root, fetched = pytest.fixture(own_set), pytest.fixture(note_fetches)


def replace(root: Path) -> None:
    """Another shard of the same name, length and headers at the same address: its labels differ."""
    before = (root / "train-1.tar").stat().st_size
    tar(root / "train-1.tar", {**samples(100, 4), "0101.cls": b"0"})
    assert (root / "train-1.tar").stat().st_size == before
    fsspec.filesystem("memory").pipe_file("/bucket/set/train-1.tar", (root / "train-1.tar").read_bytes())


@pytest.mark.parametrize("copied", [True, False])
def test_a_shard_that_was_replaced_is_fetched_and_indexed_anew(
    root: Path, cache: Path, fetched: list[str], copied: bool
) -> None:
    url = upload(root)
    before = opened(url)
    assert files_of(before).label.tolist()[5:9] == [0, 1, 0, 1]
    list(before.train.epoch(0))
    replace(root)
    for path in () if copied else cache.rglob("*.tar"):
        path.unlink()
    fetched.clear()
    after = opened(url)
    assert files_of(after).label.tolist()[5:9] == [0, 0, 0, 1]
    assert fetched == ["train-1.tar"]
    assert same(list(opened(root).train.epoch(0)), list(after.train.epoch(0)))
    fetched.clear()
    assert same(list(opened(url).train.epoch(0)), list(after.train.epoch(0)))
    assert fetched == [], "what was fetched and indexed once is kept"


def test_what_is_kept_is_taken_where_nobody_answers(
    root: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pattern = f"{upload(root)}/{{train,test}}-{{0..0}}.tar"
    older = list(opened(pattern).train.epoch(0))
    fsspec.filesystem("memory").pipe_file("/bucket/set/train-0.tar", (root / "train-1.tar").read_bytes())
    newer = list(opened(pattern).train.epoch(0))
    assert not same(older, newer)
    fetched.clear()

    def silent(*_: object, **__: object) -> object:
        raise ConnectionError("no route")

    for name in ("info", "cat", "get_file"):
        monkeypatch.setattr(MemoryFileSystem, name, silent)
    assert same(list(opened(pattern).train.epoch(0)), newer)
    assert fetched == []


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({"size": 5, "ETag": '"a"'}, {"size": 5, "ETag": '"b"'}, False),
        ({"size": 5, "etag": "a", "timeCreated": 1}, {"size": 5, "etag": "a", "timeCreated": 2}, True),
        ({"size": 5, "md5Hash": "a", "etag": "1"}, {"size": 5, "md5Hash": "a", "etag": "2"}, True),
        ({"size": 5, "LastModified": 1, "name": "x"}, {"size": 5, "LastModified": 2, "name": "x"}, False),
        ({"size": 5, "last_modified": 1}, {"size": 5, "last_modified": 1}, True),
        ({"size": 5}, {"size": 6}, False), ({"size": 5, "ETag": None}, {"size": 5}, True),
    ],
)  # fmt: skip
def test_versions_are_told_apart_by_what_the_owner_says(
    one: dict[str, object], other: dict[str, object], alike: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = []
    for facts in (one, other):
        monkeypatch.setattr(MemoryFileSystem, "info", lambda self, path, facts=facts: facts)
        words.append(versions_of(["memory://bucket/a.tar"])["memory://bucket/a.tar"])
    assert all(words)
    assert (words[0] == words[1]) == alike


def test_an_owner_that_says_nothing_gives_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert versions_of(["memory://bucket/nowhere.tar"]) == {"memory://bucket/nowhere.tar": ""}
    monkeypatch.setattr(MemoryFileSystem, "info", lambda self, path: {"name": path, "size": None})
    assert versions_of(["memory://bucket/a.tar"]) == {"memory://bucket/a.tar": ""}


SILENT = """
import os, signal, sys, time
import fsspec
from graphssl.data.shards import versions

def silent(self, path):
    if path.endswith("0.tar"):
        return {"size": 1}
    if sys.argv[1] == "interrupted" and path.endswith("/1.tar"):  # once
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1000)

type(fsspec.filesystem("memory")).info = silent
versions.PATIENCE = 1000 if sys.argv[1] == "interrupted" else 0.2
try:
    found = versions.versions_of([f"memory://bucket/{number}.tar" for number in range(99)])
    print([url for url, version in found.items() if version], len(found))
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize(
    ("case", "said"),
    [("interrupted", "interrupted"), ("silent", f"{[f'memory://bucket/{n}0.tar' for n in ('', 1, 2, 3)]} 99")],
)
def test_an_owner_that_never_answers_holds_nobody_up(case: str, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", SILENT, case], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout == f"{said}\n"
