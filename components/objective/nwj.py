"""The estimator of mutual information of Nguyen, Wainwright and Jordan."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from .base import mean_of, positives

__all__ = ["NWJ"]


@component("objective.nwj")
class NWJ(nn.Module):
    """-mean T+ + mean exp(T- - 1), the means over all positives and all negatives of the batch; in nats.

    Nguyen, Wainwright and Jordan (2010, arXiv:0809.0853); in this form Poole et al. 2019, arXiv:1905.06922, section 2;
    also known as MINE-f and f-GAN KL. Unlike `objective.dv`, it is unbiased, and the scores must find their own
    level: the best ones are 1 plus the log of the density ratio. The exponential is part of the loss and not of a
    logarithm: where a negative's score is above 89 in float32 (710 in float64) the loss is inf, and so is the
    gradient of that score. Bound the critic's scores, or use `objective.dv`, where such scores can come.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
        return mean_of(torch.exp, 1, scores, "NWJ") - positives(scores).mean()

    def bound(self, loss: Tensor, scores: Scores) -> Tensor:
        """-loss, a lower bound of the mutual information."""
        return -loss
