"""Small tar shards in webdataset's layout, opened with a cache of their own, for the tests of the data sets."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec
import pytest
from helpers import CPU
from picture_files import picture

from graphssl.data import Datasets, open_data
from graphssl.data.shards import copies
from graphssl.graph import spec

OPEN: list[Datasets] = []


def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """For a fixture: an empty cache; closes what was opened, and forgets what was uploaded. A full disk takes nothing."""
    monkeypatch.setenv("GRAPHSSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(copies, "FREE", 0.0)
    yield tmp_path / "cache"
    while OPEN:
        OPEN.pop().close()
    fsspec.filesystem("memory").store.clear()


def config(root: Path | str, **values: object) -> spec.Data:
    settings = {"use": "webdataset", "root": str(root), "size": 16, "batch": 4, "resident": "workers", "workers": 0}
    return spec.Data.model_validate({**settings, **values})


def opened(root: Path | str, **values: object) -> Datasets:
    OPEN.append(open_data(config(root, **values), CPU, 0))
    return OPEN[-1]


def files_of(data: Datasets) -> Any:
    """What the training split's pictures are read from, of any kind: tests look inside."""
    train: Any = data._train
    return train.files


def jpeg(seed: int) -> bytes:
    file = io.BytesIO()
    picture(seed).save(file, "JPEG", quality=92)
    return file.getvalue()


def tar(path: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    """A tar of these files, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


def samples(first: int, count: int, classes: int = 2) -> dict[str, bytes]:
    """`count` samples of a shard: key.jpg and key.cls; the picture's seed is its number."""
    found = {}
    for n in range(first, first + count):
        found[f"{n:04d}.jpg"] = jpeg(n)
        found[f"{n:04d}.cls"] = str(n % classes).encode()
    return found


def write_set(root: Path, train: Sequence[int] = (5, 4, 6), test: Sequence[int] = (3,)) -> Path:
    """Shards `train-0.tar`, ... and `test-0.tar`, ... with so many samples each; returns the root."""
    for split, counts, start in (("train", train, 0), ("test", test, 1000)):
        for number, count in enumerate(counts):
            tar(root / f"{split}-{number}.tar", samples(start + 100 * number, count))
    return root


def own_set(tmp_path: Path) -> Path:
    """For a fixture: the folder of a set."""
    return write_set(tmp_path / "set")


def note_fetches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """For a fixture: the shards that are fetched from now on."""
    names: list[str] = []
    plain = copies.Copies._fetch
    monkeypatch.setattr(copies.Copies, "_fetch", lambda s, url, to: (names.append(url[-11:]), plain(s, url, to))[1])
    return names


def upload(root: Path, to: str = "/bucket/set") -> str:
    """The shards at an address that fsspec keeps in memory."""
    system = fsspec.filesystem("memory")
    for path in root.iterdir():
        system.pipe_file(f"{to}/{path.name}", path.read_bytes())
    return f"memory:/{to}"
