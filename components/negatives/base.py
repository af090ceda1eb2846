"""What a store of keys holds before the first one comes, how it is written, and the keys of a batch as one list."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["random_directions", "together", "write_rows"]


def random_directions(n: int, d: int) -> Annotated[Tensor, "n d"]:
    """Unit vectors, uniform on the sphere."""
    return functional.normalize(torch.randn(n, d), dim=1)


def write_rows(
    keys: Annotated[Tensor, "n d"],
    place: Annotated[Tensor, "b"],
    rows: Annotated[Tensor, "b d"],
    skipped: Annotated[Tensor, ""] | None,
) -> None:
    """Writes rows at their places, or, where `skipped` is true, those that are there once more."""
    rows = rows.to(keys.dtype)
    keys.index_copy_(0, place, rows if skipped is None else torch.where(skipped, keys[place], rows))


def together(
    key: Annotated[tuple[Tensor, ...], "b ... d"],
) -> tuple[Annotated[Tensor, "n d"], Annotated[Tensor, "n"]]:
    """All positions of all samples of all views in one list, and the place in the batch of the sample of each."""
    rows = [view.flatten(1, -2) if view.ndim > 2 else view[:, None] for view in key]
    sample = torch.arange(len(key[0]), device=key[0].device)[:, None]
    samples = [sample.expand(-1, view.shape[1]).flatten() for view in rows]
    return torch.cat([view.flatten(0, 1) for view in rows]), torch.cat(samples)
