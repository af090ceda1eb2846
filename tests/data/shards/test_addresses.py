"""Where shards are: folders, patterns and the addresses of others, with copies kept here; and what `check` says of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
import torch
from conftest import MOCO, SIMCLR, Write, problems_of
from fsspec.implementations.memory import MemoryFileSystem
from picture_files import same
from shard_files import files_of, opened, own_cache, samples, tar, upload, write_set

from graphssl import spec
from graphssl.api import check
from graphssl.data import index_shards, workers
from graphssl.data.shards import copies, indices
from graphssl.data.shards.addresses import expanded
from graphssl.data.shards.versions import states_of
from graphssl.errors import RunError
from graphssl.language.validation import validate
from graphssl.spec import GraphFile

cache = pytest.fixture(autouse=True)(own_cache)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set")


# -- which shards ------------------------------------------------------------------------------------------------------


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
    assert expanded("a-{5}-{x,y}.tar") == ["a-{5}-x.tar", "a-{5}-y.tar"]


def test_braces_that_are_part_of_a_name_are_read(tmp_path: Path) -> None:
    assert opened(tar(tmp_path / "a-{5}.tar", samples(0, 4))).train.samples == 4


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


@pytest.mark.parametrize("pattern", ["", "/*.tar", "/{train,test}-{0..0}.tar"])
def test_a_file_address_is_a_path(root: Path, pattern: str, cache: Path) -> None:
    here, there = opened(f"{root}{pattern}"), opened(f"file://{root}{pattern}")
    assert same(list(here.train.epoch(0)), list(there.train.epoch(0)))
    assert here.held_out == there.held_out
    assert not list(cache.rglob("*.tar")), "no copies"


# -- addresses of others -----------------------------------------------------------------------------------------------


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


class Elsewhere(MemoryFileSystem):
    """Another store, with a protocol of its own."""

    protocol: ClassVar[Any] = "elsewhere"
    store: ClassVar[Any] = {}
    pseudo_dirs: ClassVar[Any] = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("elsewhere://")))


def test_indices_lie_beside_shards_of_two_protocols(root: Path, cache: Path) -> None:
    fsspec.register_implementation("elsewhere", Elsewhere, clobber=True)
    index_shards(str(root))
    for path in root.glob("test-*"):
        Elsewhere().pipe_file(f"/held/{path.name}", path.read_bytes())
    data = opened(upload(root), test="elsewhere://held/test-{0..0}.tar")
    assert (data.train.samples, data.held_out) == (15, 3)
    assert not list(cache.rglob("*.tar"))


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The shards that are fetched from now on."""
    names: list[str] = []
    plain = copies.Copies._fetch
    monkeypatch.setattr(copies.Copies, "_fetch", lambda s, url, to: (names.append(url[-11:]), plain(s, url, to))[1])
    return names


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


# -- states ------------------------------------------------------------------------------------------------------------


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
def test_states_are_told_apart_by_what_the_owner_says(
    one: dict[str, object], other: dict[str, object], alike: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = []
    for facts in (one, other):
        monkeypatch.setattr(MemoryFileSystem, "info", lambda self, path, facts=facts: facts)
        words.append(states_of(["memory://bucket/a.tar"])["memory://bucket/a.tar"])
    assert all(words)
    assert (words[0] == words[1]) == alike


def test_an_owner_that_says_nothing_gives_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    assert states_of(["memory://bucket/nowhere.tar"]) == {"memory://bucket/nowhere.tar": ""}
    monkeypatch.setattr(MemoryFileSystem, "info", lambda self, path: {"name": path, "size": None})
    assert states_of(["memory://bucket/a.tar"]) == {"memory://bucket/a.tar": ""}


SILENT = """
import os, signal, sys, time
import fsspec
from graphssl.data.shards import versions as states

def silent(self, path):
    if path.endswith("0.tar"):
        return {"size": 1}
    if sys.argv[1] == "interrupted":
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1000)

type(fsspec.filesystem("memory")).info = silent
states.PATIENCE = 1000 if sys.argv[1] == "interrupted" else 0.2
try:
    found = states.states_of([f"memory://bucket/{number}.tar" for number in range(99)])
    print([url for url, state in found.items() if state], len(found))
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


def test_a_file_that_is_not_at_an_address_is_named() -> None:
    with pytest.raises(RunError, match=r"there is no shard 'memory://bucket/a-0\.tar'"):
        opened("memory://bucket/a-{0..3}.tar")
    with pytest.raises(RunError, match=r"there is no training shard: no file of 'memory://bucket' ends in \.tar"):
        opened("memory://bucket")


# -- in a graph --------------------------------------------------------------------------------------------------------


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


def test_keys_of_shards_are_refused_elsewhere_all_at_once() -> None:
    sections = {"graph": "g", "nodes": {}, "flow": {}, "loss": {}}
    found = validate(GraphFile, {**sections, "data": {"test": "x", "samples": 5, "window": 3}})[1]
    assert [(path, message) for path, message, _ in found] == [
        (("data", key), f"'{key}' is for 'webdataset' alone, and the data set is 'digits'")
        for key in ("test", "samples", "window")
    ]
    resolved = spec.Data().model_dump(mode="json")
    assert not validate(GraphFile, {**sections, "data": resolved})[1], "the defaults, written out"
