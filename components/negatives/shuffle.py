"""One other sample of the batch for each."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives

__all__ = ["Shuffle"]


@component("negatives.shuffle", traits=("in_batch",))
class Shuffle(nn.Module):
    """The batch in another order: each sample's negative is one other sample, all of whose positions count.

    Samples from the product of the marginals, as MINE draws them, algorithm 1 (Belghazi et al. 2018,
    arXiv:1801.04062): with a critic for pairs it costs as many negatives as positives. The order is one random
    cycle through the batch, so that no sample is its own negative; in a batch of one it is, and is masked.
    Gradients flow through the keys. Keys `b ... d` with l positions give `pick` `b l`, vectors `b 1`.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Annotated[Tensor, "b"]:
        """For each of b samples another one: the next in a random cycle."""
        order = torch.rand(b, generator=generator, device=device).argsort()
        return torch.empty_like(order).scatter_(0, order, order.roll(-1))

    def forward(self, key: Annotated[Tensor, "b ... d"], draws: Tensor) -> Annotated[Negatives, "n d"]:
        entries = key.flatten(0, -2)
        b, positions = len(key), len(entries) // len(key)
        pick = draws[:, None] * positions + torch.arange(positions, device=draws.device)
        return Negatives(entries, pick, torch.ones_like(pick, dtype=torch.bool) if b == 1 else None)
