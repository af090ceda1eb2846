"""What `check` says of shards: by their names, without anybody being asked or a shard being read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import MOCO, SIMCLR, Write, problems_of
from shard_files import own_cache, own_set

from graphssl.api import check
from graphssl.data.shards import indices

cache = pytest.fixture(autouse=True)(own_cache)


root = pytest.fixture(own_set)


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
    ("root: '/x-{000..0x2}.tar'", "'{000..0x2}' in '/x-{000..0x2}.tar' does not count: a range is of whole numbers"),
    ("root: ROOT, test: 's3://b/{a..c}.tar'", "'{a..c}' in 's3://b/{a..c}.tar' does not count"),
    ("root: '/x-{5}.tar'", "there is no shard '/x-{5}.tar'"),
    ("root: 'file://NOWHERE'", "there is no folder 'NOWHERE'"),
    ("root: 'foo://x'", "'foo://' is no protocol that fsspec knows"),
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

    def without(name: str, *args: Any, **more: Any) -> object:
        if name.split(".")[0] == "s3fs":
            raise ImportError(name)
        return plain(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    (found,) = problems_of(check, graph(write, "root: 's3://bucket/x-{0..9}.tar'"))
    assert "'s3://' needs the package 's3fs': pip install s3fs" in found
    assert "hint" not in found


def test_a_bank_needs_the_number_of_samples(root: Path, write: Write) -> None:
    bank = [
        ("  queue:     {use: negatives.queue, size: 48}", "  bank: {use: negatives.memory_bank, sample: 8}"),
        ("queue())", "bank(batch.index))"), ("queue: push(k)", "bank: store(batch.index, k)"),
    ]  # fmt: skip
    where = f"use: webdataset, root: {root}, size: 32,"
    (found,) = problems_of(check, write(MOCO, ("use: digits,", where), *bank))
    assert "needs the number of training samples" in found
    assert check(write(MOCO, ("use: digits,", f"{where} samples: 1000,"), *bank)).data.samples == 1000
