"""The Kozachenko-Leonenko estimate of entropy: no sample lies close to another."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import exact, unit, wide

__all__ = ["KoLeo"]

EPS = 1e-8  # of DINOv2's code


@component("objective.koleo")
class KoLeo(nn.Module):
    """-log of the distance to the nearest other sample of the batch, its mean, on the unit sphere.

    Sablayrolles et al. 2019, arXiv:1806.03198, equation 2: but for constants, minus the differential entropy by
    Kozachenko and Leonenko's estimate. DINOv2 (Oquab et al. 2024, arXiv:2304.07193, section 4) adds 0.1 of it, of each
    view by itself, `0.1 * koleo(h.vector)`; its code takes the batch of one GPU, here it is the whole one. At least
    -log 2, in nats. The gradient is of both samples of a pair; two that are the same have none of each other.

    x: `b d`, l2-normalised here; float32 inside. Which sample is nearest comes from one matrix of products, `b b`.
    Raises ValueError for a batch of one.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
        b = len(x)
        if b < 2:
            raise ValueError("KoLeo is about the nearest other sample, and a batch of one has none")
        own = torch.eye(b, dtype=torch.bool, device=x.device)
        with exact(x):
            x = unit(wide(x))
            nearest = (x.detach() @ x.detach().T).masked_fill(own, -math.inf).argmax(1)
        # Of the difference, not from the cosine: 1 - cos of close ones has no digits left.
        distance: Tensor = torch.linalg.vector_norm(x - x[nearest], dim=1)
        return -(distance + EPS).log().mean()
