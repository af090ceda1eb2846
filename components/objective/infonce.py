"""InfoNCE: tell the positive from its negatives."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from .base import log_sum_exp, numbers, positives, weighted_mean

__all__ = ["InfoNCE"]


@component("objective.infonce", traits=("mean",))
class InfoNCE(nn.Module):
    """Cross-entropy of the positive among itself and its negatives, the mean over the positives; in nats.

    -T+ + logsumexp([T+, T-...]): CPC, equation 4 (van den Oord et al. 2018, arXiv:1807.03748), MoCo, equation 1
    (He et al. 2020, arXiv:1911.05722). With in-batch negatives of both views it is SimCLR's NT-Xent, equation 1
    (Chen et al. 2020, arXiv:2002.05709). Several positives of a query are terms of their own: each is told from the
    query's negatives, not from the other positives. Pairs that the mask or `same` marks are no negatives; a positive
    without any costs nothing. Scores that the critic has left uncomputed are never all in memory.
    `weight`, one for each query, multiplies what it costs; the mean is over all still.
    """

    class Config(NodeConfig):
        pass

    title: ClassVar[str] = "InfoNCE"

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self, scores: Annotated[Scores, "b ...", "b n"], weight: Annotated[Tensor, "b"] | None = None
    ) -> Annotated[Tensor, ""]:
        others = log_sum_exp(scores, self.title)
        # The same as the cross-entropy, without a copy of all scores, and exact where the loss is small.
        return -weighted_mean(functional.logsigmoid(positives(scores) - others[:, None]), weight)

    def bound(self, loss: Tensor, scores: Scores) -> Tensor:
        """log(n + 1) - loss, a lower bound of the mutual information: CPC, section 2.3; the mean where n differs."""
        return torch.log(numbers(scores, self.title) + 1).mean() - loss
