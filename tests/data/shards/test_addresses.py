"""Where shards are: folders, patterns and the addresses of others, which give the same batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from picture_files import same
from shard_files import opened, own_cache, own_set, samples, tar, upload

from graphssl.data import index_shards
from graphssl.data.shards.addresses import expanded
from graphssl.errors import RunError

cache = pytest.fixture(autouse=True)(own_cache)
root = pytest.fixture(own_set)


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


def test_a_file_that_is_not_at_an_address_is_named() -> None:
    with pytest.raises(RunError, match=r"there is no shard 'memory://bucket/a-0\.tar'"):
        opened("memory://bucket/a-{0..3}.tar")
    with pytest.raises(RunError, match=r"there is no training shard: no file of 'memory://bucket' ends in \.tar"):
        opened("memory://bucket")
