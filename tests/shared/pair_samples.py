"""Queries, entries and masks of which all pairs are few enough to be looked at one by one."""

from __future__ import annotations

import torch
from torch import Tensor

from graphssl.ports import Own, Pairs, Scores

B, N, D = 5, 23, 4


def values(b: int = B, n: int = N, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    made = (torch.randn(k, D, generator=generator, dtype=torch.float64) * scale for k in (b, n))
    return tuple(t.requires_grad_() for t in made)  # type: ignore[return-value]


def own(b: int = B, n: int = N) -> Own:
    """In the first piece, the last, and at the borders between them."""
    return Own(torch.tensor([0, 6, 7, 22, 13])[:b], n)


def some(b: int = B, n: int = N) -> Tensor:
    """A mask whose first row is all True, and with it whole pieces of the second."""
    mask = torch.rand(b, n, generator=torch.Generator().manual_seed(1)) < 0.4
    mask[0] = True
    mask[1, :14] = True
    return mask


def clip(limit: float | None) -> Tensor | None:
    return None if limit is None else torch.tensor(limit)


def lazy() -> Scores:
    query, entries = values()
    return Scores(query.sum(1), Pairs(query, entries), own())
