"""Weighted draws in constant time: the alias method."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["AliasSampler", "alias_table"]

Floats = NDArray[np.float64]


class AliasSampler(nn.Module):
    """Draws indices in proportion to weights, with replacement: Walker's alias method.

    A. J. Walker 1977, An efficient method for generating discrete random variables with general distributions, ACM
    TOMS 3 (3). A slot is drawn uniformly; it gives its own index with the probability `keep`, else its `alias`. The
    tables follow from the weights, and are not saved. Probabilities are exact to 1 / 2^24.
    """

    keep: Tensor
    alias: Tensor

    def __init__(self, weights: Floats) -> None:
        super().__init__()
        keep, alias = alias_table(weights)
        self.register_buffer("keep", torch.tensor(keep, dtype=torch.float32), persistent=False)
        self.register_buffer("alias", torch.tensor(alias), persistent=False)

    def draw(self, shape: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Indices of that shape, int64."""
        slot = torch.randint(len(self.keep), shape, generator=generator, device=device)
        chance = torch.rand(shape, generator=generator, device=device)
        return torch.where(chance < self.keep[slot], slot, self.alias[slot])


def alias_table(weights: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """`keep` and `alias` for non-negative weights, one of which at least is positive.

    Slots that lack weight are filled from those that have more than their share, both in order, each of the latter
    until it lacks weight itself and the next one fills it: the sweep of Huebschle-Schneider and Sanders 2019
    (arXiv:1903.00227), here all slots at once, from running sums of what is lacking and what is spare.
    """
    share = weights / weights.max()  # no sum overflows, and after rounding, too, the largest is not below the mean
    share = share / share.mean()
    rich = share >= 1
    giver, taker = np.flatnonzero(rich), np.flatnonzero(~rich)
    spare, lack = np.cumsum(share[giver] - 1), np.cumsum(1 - share[taker])
    keep, alias = np.where(rich, 1.0, share), np.arange(len(share))
    # A taker gets its weight from the first giver that the takers before it have not used up.
    before = np.concatenate([np.zeros(1), lack])[:-1]
    alias[taker] = giver[np.minimum(np.searchsorted(spare, before), len(giver) - 1)]
    # A giver is used up by the first taker with which they lack more than is spare up to it. Rounding spares the last.
    last = np.searchsorted(lack, spare[:-1], side="right")
    used = np.flatnonzero(last < len(taker))
    keep[giver[used]] = np.clip(1 + spare[used] - lack[last[used]], 0, 1)
    alias[giver[used]] = giver[used + 1]
    return keep, alias
