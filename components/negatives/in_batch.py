"""The other samples of the batch as negatives."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives

from .base import together

__all__ = ["InBatch"]


@component("negatives.in_batch", traits=("in_batch",))
class InBatch(nn.Module):
    """All views of the batch's other samples, at all of their positions; gradients flow through them.

    Of v views joined, n = v * b, the v of a sample's own are masked: v * (b - 1) negatives remain. With both views
    and `pairs=cross` these are the 2b - 2 of SimCLR's NT-Xent, equation 1 (Chen et al. 2020, arXiv:2002.05709);
    `others(z, views=each)` takes those of the key's view only, b - 1. Keys with l positions, `b ... d`, give
    n = v * b * l, and all of a sample's own are masked: the maps of other images are the negatives of Deep InfoMax
    (Hjelm et al. 2019, arXiv:1808.06670).
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, key: Annotated[tuple[Tensor, ...], "b ... d"]) -> Annotated[Negatives, "n d"]:
        entries, sample = together(key)
        own = torch.arange(len(key[0]), device=sample.device)[:, None] == sample
        return Negatives(entries, mask=own)
