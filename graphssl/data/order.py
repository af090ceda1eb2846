"""The order of an epoch and the choice of held-out samples: functions of their arguments alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from fractions import Fraction

import torch
from torch import Tensor


def permutation(samples: int, seed: int, epoch: int) -> Tensor:
    """The order of epoch `epoch`: int64, `samples`, on the CPU, so that a GPU run sees the same."""
    generator = torch.Generator().manual_seed(seed_of(f"order {seed} {epoch}"))
    return torch.randperm(samples, generator=generator)


def windowed(shard: Tensor, window: int, seed: int, epoch: int) -> Tensor:
    """The order of epoch `epoch` for samples in shards, of which about `window` are mixed at a time: int64, `n`.

    shard: int64, `n`, the shard of each sample. The shards are put in a random order, on a ring, and a sample's place
    is its shard's number there plus a random number below `window`. With no more shards it is `permutation`.
    """
    shards = int(shard.max()) + 1 if len(shard) else 0
    if shards <= window:
        return permutation(len(shard), seed, epoch)
    generator = torch.Generator().manual_seed(seed_of(f"order {seed} {epoch}"))
    rank = torch.randperm(shards, generator=generator)
    shift = torch.rand(len(shard), generator=generator, dtype=torch.float64) * window
    return ((rank[shard] + shift) % shards).argsort(stable=True)


def batches(order: Tensor, batch: int) -> tuple[Tensor, ...]:
    """`order` cut into batches, the last one short; none if there is nothing."""
    return torch.split(order, batch) if len(order) else ()


def held_out(names: Iterable[str], count: int) -> frozenset[str]:
    """`count` of the names: those that hash lowest, so that no random generator's version matters."""
    return frozenset(sorted(names, key=lambda name: (seed_of(f"held out {name}"), name))[:count])


TENTH = Fraction(1, 10)


def share_of(samples: int, share: Fraction = TENTH) -> int:
    """How many of so many are held out: this share, rounded, but at least one of two, and not all; 0 of 0."""
    if samples < 2 or not share:
        return 0
    return min(max(1, int(share * samples + Fraction(1, 2))), samples - 1)


def share_held_out(held_out: float | str | None) -> Fraction:
    """What `data.held_out` says."""
    return TENTH if held_out is None else Fraction(0 if isinstance(held_out, str) else str(held_out))


def seed_of(text: str) -> int:
    """A number of 63 bits for a text: the same on every machine."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
