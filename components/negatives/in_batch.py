"""The other samples of the batch as negatives."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
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

    With `positions: apart` each position is a sample of its own, also beside the others of its image: of v * b * l the
    v of its place are masked, for queries with the same positions; the regions of DetCon (Henaff et al. 2021,
    arXiv:2103.10957, equation 2).
    """

    class Config(NodeConfig):
        positions: Literal["together", "apart"] = Field(
            "together",
            description="together: none of an image's own positions is a negative; apart: all but itself are",
        )

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.parts = config.positions == "apart"

    def forward(self, key: Annotated[tuple[Tensor, ...], "b ... d"]) -> Annotated[Negatives, "n d"]:
        samples = [view.flatten(0, -2) for view in key] if self.parts else list(key)
        entries, sample = together(tuple(samples))
        own = torch.arange(len(samples[0]), device=sample.device)[:, None] == sample
        return Negatives(entries, mask=own)
