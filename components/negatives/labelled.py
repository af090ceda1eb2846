"""The other samples of the batch, those of the same class marked."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives

from .base import together

__all__ = ["Labelled"]


@component("negatives.labelled", traits=("in_batch",))
class Labelled(nn.Module):
    """As `negatives.in_batch`, with the entries of other samples of the same class marked as further positives.

    Supervised contrastive learning, equation 2 (Khosla et al. 2020, arXiv:2004.11362): with both views and
    `pairs=cross`, the other view of the sample and all views of its class are the positives of
    `objective.multi_positive`. A label below 0 is not known, and marks nothing. label: integers.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self, key: Annotated[tuple[Tensor, ...], "b ... d"], label: Annotated[Tensor, "b"]
    ) -> Annotated[Negatives, "n d"]:
        entries, sample = together(key)
        own = torch.arange(len(label), device=sample.device)[:, None] == sample
        alike = (label[:, None] == label[sample]) & (label >= 0)[:, None]
        return Negatives(entries, mask=own, same=alike & ~own)
