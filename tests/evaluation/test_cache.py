"""Features on the disk: found again by all that they depend on, bounded, and never in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from graphssl.errors import UsageError
from graphssl.evaluation.cache import SIZE, FeatureCache, digest_of

CPU = torch.device("cpu")


def cache(folder: Path, most: int = 10**6, **depends: object) -> FeatureCache:
    return FeatureCache(folder, most, {"network": "a", **depends})


def test_what_is_saved_is_found_again_by_what_it_depends_on(tmp_path: Path) -> None:
    features, labels = torch.randn(5, 3), torch.arange(5)
    cache(tmp_path).save("test", features.T.contiguous().T, labels)
    found = cache(tmp_path).load("test", CPU)
    assert found is not None
    assert torch.equal(found[0], features)
    assert torch.equal(found[1], labels)
    assert cache(tmp_path).load("reference", CPU) is None
    assert cache(tmp_path, network="b").load("test", CPU) is None
    assert cache(tmp_path, batch=2).load("test", CPU) is None


def test_the_longest_unused_leave_first(tmp_path: Path) -> None:
    size = torch.zeros(100, 10).nbytes + torch.zeros(100, dtype=torch.int64).nbytes
    own = cache(tmp_path, most=2 * size + 1000)
    for age, split in ((3, "a"), (2, "b")):
        own.save(split, torch.zeros(100, 10), torch.zeros(100, dtype=torch.int64))
        os.utime(own._path(split), (0, 10**9 - age))
    assert own.load("a", CPU) is not None, "and so it is used last"
    own.save("c", torch.ones(100, 10), torch.zeros(100, dtype=torch.int64))
    assert [own.load(split, CPU) is not None for split in "abc"] == [True, False, True]
    own.save("d", torch.ones(1000, 10), torch.zeros(1000, dtype=torch.int64))
    assert [own.load(split, CPU) is not None for split in "acd"] == [True, True, False], "too large for it"


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    own = cache(tmp_path)
    own.save("test", torch.zeros(5, 3), torch.arange(5))
    own._path("test").write_bytes(b"\xff" * 100)
    assert own.load("test", CPU) is None
    own.save("test", torch.ones(5, 3), torch.arange(5))
    assert own.load("test", CPU) is not None
    written = own._path("test").read_bytes()
    for at in (-1, -41, -60):  # of labels, and of features
        damaged = bytearray(written)
        damaged[at] ^= 1
        own._path("test").write_bytes(damaged)
        assert own.load("test", CPU) is None
    own._path("test").write_bytes(written[:-1])
    assert own.load("test", CPU) is None


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    own = cache(tmp_path / "file" / "features")
    own.save("test", torch.zeros(5, 3), torch.arange(5))
    assert own.load("test", CPU) is None


@pytest.mark.parametrize(("said", "most"), [(None, 10 * 2**30), ("0", 0), ("0.5", 2**29)])
def test_the_size_is_the_environments(
    said: str | None, most: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(SIZE, raising=False)
    if said is not None:
        monkeypatch.setenv(SIZE, said)
    own = FeatureCache.of({})
    assert (own.folder, own.most) == (tmp_path / "graphssl/features", most)
    own.save("test", torch.zeros(5, 3), torch.arange(5))
    assert (own.load("test", CPU) is None) == (most == 0)


@pytest.mark.parametrize("said", ["much", "-1", "nan", "inf", ""])
def test_a_size_that_is_none(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIZE, said)
    with pytest.raises(UsageError, match=f"{SIZE} is '{said}': it is a number of GiB"):
        FeatureCache.of({})


def test_the_digest_is_of_weights_buffers_and_parts() -> None:
    def made() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

    assert digest_of(made()) == digest_of(made())
    changed = [made() for _ in range(4)]
    changed[0][0].weight.data[0, 0, 0, 0] += 1e-6
    changed[1][1].running_mean[2] = 1  # type: ignore[index]
    changed[2][1].num_batches_tracked += 1  # type: ignore[operator]
    changed[3] = nn.Sequential(changed[3][0], nn.BatchNorm2d(4, eps=1e-3))
    assert len({digest_of(one) for one in (made(), *changed)}) == 5
