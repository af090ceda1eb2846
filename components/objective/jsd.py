"""The Jensen-Shannon estimator of Deep InfoMax."""

from __future__ import annotations

import math
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from .base import mean_of, positives

__all__ = ["JSD"]


@component("objective.jsd")
class JSD(nn.Module):
    """mean softplus(-T+) + mean softplus(T-): a classifier of positive and negative pairs, each half of it; in nats.

    Deep InfoMax, equation 4, with the sign turned (Hjelm et al. 2019, arXiv:1808.06670). Positives are averaged over
    all positives, negatives over all negatives of the batch; log 4 where the scores tell nothing.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
        return functional.softplus(-positives(scores)).mean() + mean_of(functional.softplus, 0, scores, "JSD")

    def bound(self, loss: Tensor, scores: Scores) -> Tensor:
        """log 4 - loss, never above log 4: not mutual information in nats.

        It bounds from below twice the Jensen-Shannon divergence between the joint distribution of the pairs and the
        product of its marginals, which grows with the mutual information (appendix A.1 of the paper).
        """
        return math.log(4) - loss
