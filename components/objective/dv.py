"""The Donsker-Varadhan estimator of mutual information, also known as MINE."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from .base import log_sum_exp, numbers, positives

__all__ = ["DonskerVaradhan"]


@component("objective.dv")
class DonskerVaradhan(nn.Module):
    """-mean T+ + log mean exp(T-), the mean over all negatives of the batch together; in nats.

    Deep InfoMax, equation 2 (Hjelm et al. 2019, arXiv:1808.06670); MINE, section 3 (Belghazi et al. 2018,
    arXiv:1801.04062), without its correction of the gradient's bias by a moving average of mean exp(T-). A constant
    added to all scores changes nothing. Where the batch has no negatives at all, the second term is 0.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
        n = numbers(scores, "Donsker-Varadhan").sum()
        log_mean = torch.logsumexp(log_sum_exp(scores, "Donsker-Varadhan"), 0) - torch.log(n.clamp(min=1))
        return torch.where(n > 0, log_mean, 0.0) - positives(scores).mean()

    def bound(self, loss: Tensor, scores: Scores) -> Tensor:
        """-loss, a lower bound of the mutual information, as far as the batch stands for its expectations."""
        return -loss
