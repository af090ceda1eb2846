"""By what the pictures of a split are known again: the sizes and times of their files, and what some of them hold.

Their names alone do not tell when pictures are replaced. A copy on another machine has other times, so that these
alone are no change.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import RunError
from .batch import Pictures, named
from .decode import BadImageError

__all__ = [
    "GONE", "MOST", "Change", "Trace", "changes", "content_of", "sizes_and_times", "spread_evenly", "trace",
]  # fmt: skip

Trace = Mapping[str, Tensor]

MOST = 100_000  # pictures whose sizes and times are noted, spread evenly over a larger split
WHOLE, FEW = 1 << 26, 64  # bytes of a split whose contents are all noted; of a larger one those of so many pictures
GONE = -1


class Change(NamedTuple):
    """what: are other pictures, None for nothing. perhaps: what may be a sign of it, and may be a copy."""

    what: str | None = None
    perhaps: str | None = None


def trace(pictures: Pictures) -> Trace:
    """Of a split: `sizes` and `times` of some pictures' files, `contents` of some pictures, `labels`; int64 each."""
    positions = spread_evenly(len(pictures.paths), MOST)
    sizes, times = _facts_of(pictures, positions)
    contents = torch.tensor([content_of(pictures, at) for at in _looked_at(pictures, sizes)], dtype=torch.int64)
    labels = torch.tensor([_hash(pictures.label.cpu().contiguous().numpy().tobytes())])
    return {"sizes": sizes.clone(), "times": times.clone(), "contents": contents, "labels": labels}


def _facts_of(pictures: Pictures, positions: Sequence[int]) -> Tensor:
    known: Callable[[Sequence[int]], Tensor] | None = getattr(pictures, "sizes_and_times", None)
    return torch.zeros((2, 0), dtype=torch.int64) if known is None else known(positions).contiguous()


def sizes_and_times(paths: Iterable[str]) -> Tensor:
    """Of files: int64, `2 n`; -1 for one that is not there."""
    return torch.tensor([_facts(path) for path in paths], dtype=torch.int64).view(-1, 2).T


def _facts(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return GONE, GONE
    return found.st_size, found.st_mtime_ns


def changes(then: Mapping[str, Any], now: Trace, pictures: Pictures) -> Change:
    """What has changed in a split of the same names since `then`. pictures: it, as it is now."""
    n = len(pictures.paths)
    places, looked = spread_evenly(n, MOST), list(_looked_at(pictures, now["sizes"]))
    if (other := _other(then, now, "sizes")) is not None:
        at = int(other[0])
        sizes = [_bytes(int(facts["sizes"][at])) for facts in (now, then)]
        where = f"{named(pictures, places[at])} ({sizes[0]} now, {sizes[1]} then)"
        return Change(f"{_of(len(other), len(places))} been replaced, such as {where}")
    if (other := _other(then, now, "contents")) is not None:
        where = named(pictures, looked[int(other[0])])
        return Change(f"{_of(len(other), len(looked))} been replaced by others of the same size, such as {where}")
    if _other(then, now, "labels") is not None:
        return Change("the same pictures, of other labels")
    other = _other(then, now, "times")
    if other is None or len(looked) == n:
        return Change()
    where = named(pictures, places[int(other[0])])
    compared = f"; {len(looked):,} were compared, and hold the same" if looked else ""
    since = f"{_of(len(other), len(places))} been written since, such as {where}"
    return Change(None, f"{since}, of the same size{compared}")


def _other(then: Mapping[str, Any], now: Trace, key: str) -> Tensor | None:
    """Where two traces differ, None for nowhere."""
    before, after = then.get(key), now[key]
    if not isinstance(before, Tensor) or before.shape != after.shape:
        return None
    other = torch.nonzero(before != after).flatten()
    return other if len(other) else None


def _of(count: int, total: int) -> str:
    return f"{count:,} of {total:,} pictures {'has' if count == 1 else 'have'}"


def _bytes(size: int) -> str:
    return "not there" if size == GONE else f"{size:,} bytes"


def _looked_at(pictures: Pictures, sizes: Tensor) -> Sequence[int]:
    """The positions of the pictures whose contents are noted: none where they are not the same each time."""
    n = len(pictures.paths)
    if not getattr(pictures, "steady", False):
        return ()
    return range(n) if len(sizes) == n and int(sizes.clamp_min(0).sum()) <= WHOLE else spread_evenly(n, FEW)


def content_of(pictures: Pictures, position: int) -> int:
    """A hash of what a picture's file holds; GONE of one that cannot be read."""
    try:
        picture = pictures.sample(position).picture
    except (BadImageError, RunError, MemoryError):
        return GONE
    return _hash(picture if isinstance(picture, bytes) else picture.cpu().contiguous().numpy().tobytes())


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") >> 1


def spread_evenly(n: int, most: int) -> list[int]:
    """So many of n positions at most."""
    return list(range(n)) if n <= most else [i * n // most for i in range(most)]
