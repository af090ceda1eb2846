"""Small tar shards in webdataset's layout, for the tests of the data sets."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from picture_files import picture


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
