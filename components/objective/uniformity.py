"""Uniformity: the samples of a batch spread over the sphere."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component

from ..numeric import exact, unit, wide

__all__ = ["Uniformity"]


@component("objective.uniformity")
class Uniformity(nn.Module):
    """log of the mean of exp(-t |x_i - x_j|^2) over the pairs i < j of a batch, on the unit sphere.

    Wang and Isola 2020, arXiv:2005.10242, section 4.1; they use t 2 and the mean over the two views. Between -4 t and
    0, in nats. x: `b d`, l2-normalised here; float32 inside. Distances come from one matrix product, so that memory
    is that of a few `b b` matrices, and not of `b b d` differences. Raises ValueError for a batch of one.
    """

    class Config(NodeConfig):
        t: Scheduled[PositiveFloat] = Field(2.0, description="sharpness of the Gaussian potential")

    t: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
        b = len(x)
        if b < 2:
            raise ValueError("uniformity is about pairs of different samples, and a batch of one has none")
        with exact(x):
            x = unit(wide(x))
            exponent = 2 * self.t * (x @ x.T - 1)  # |x_i - x_j|^2 = 2 - 2 x_i x_j
        own = torch.eye(b, dtype=torch.bool, device=x.device)
        total = torch.logsumexp(exponent.masked_fill(own, -math.inf).flatten(), 0)
        return total - math.log(b * (b - 1))  # each pair is there twice
