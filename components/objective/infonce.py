"""InfoNCE: tell the positive from its negatives."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from ..critic.base import wide

__all__ = ["InfoNCE"]


@component("objective.infonce")
class InfoNCE(nn.Module):
    """Cross-entropy of the positive among itself and its negatives, the mean over the positives; in nats.

    -T+ + logsumexp([T+, T-...]): CPC, equation 4 (van den Oord et al. 2018, arXiv:1807.03748), MoCo, equation 1
    (He et al. 2020, arXiv:1911.05722). With in-batch negatives of both views it is SimCLR's NT-Xent, equation 1
    (Chen et al. 2020, arXiv:2002.05709). Pairs that the mask marks are no negatives; a positive without any costs
    nothing. log(n + 1) minus the loss bounds the mutual information from below.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, scores: Annotated[Scores, "b", "b n"]) -> Annotated[Tensor, ""]:
        if scores.negative is None:
            raise ValueError(
                "InfoNCE needs negatives: give the critic a third value, from a queue, a memory bank or the batch"
            )
        positive, negative = wide(scores.positive), wide(scores.negative)
        if scores.mask is not None:
            # Not -inf: where a whole row is masked, logsumexp would have a gradient that is not a number.
            negative = negative.masked_fill(scores.mask, torch.finfo(negative.dtype).min)
        # The same as the cross-entropy, without a copy of all scores, and exact where the loss is small.
        return -functional.logsigmoid(positive - torch.logsumexp(negative, 1)).mean()
