"""Features with mean 0 and deviation 1."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component

from ..numeric import wide
from .redundancy import check_batch

__all__ = ["Moments"]

EPS = 1e-6


@component("objective.moments")
class Moments(nn.Module):
    """Each feature's squared mean, and the square of what its deviation is off 1: the mean over features.

    VISReg's centre and scale (Wu et al. 2026, arXiv:2606.02572, and its code). Unlike VICReg's hinge (equation 1,
    arXiv:2105.04906) it also holds deviations above 1 down. Where all samples are the same, deviations still have a
    gradient, as soon as rounding tells samples apart; that of a variance would vanish. Deviations are biased, over b.

    x: `b d`, not normalised; float32 inside. Raises ValueError for a batch of one.
    """

    class Config(NodeConfig):
        mean: Scheduled[NonNegativeFloat] = Field(1.0, description="weight of the squared means")
        deviation: Scheduled[NonNegativeFloat] = Field(1.0, description="weight of the deviations' distance from 1")

    mean: float | Tensor
    deviation: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
        check_batch(x, "a deviation")
        x = wide(x)
        centre = x.mean(0)
        deviation: Tensor = torch.linalg.vector_norm(x - centre, dim=0) / len(x) ** 0.5 + EPS
        return self.mean * centre.square().mean() + self.deviation * (deviation - 1).square().mean()
