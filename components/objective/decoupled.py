"""The decoupled contrastive loss: InfoNCE without the positive in the denominator."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from .base import log_sum_exp, numbers, positives

__all__ = ["Decoupled"]


@component("objective.decoupled", traits=("mean",), formerly=("objective.dcl",))
class Decoupled(nn.Module):
    """-w T+ + logsumexp(T-), the mean over the positives; in nats, and possibly negative.

    Decoupled contrastive learning, section 3 (Yeh et al. 2021, arXiv:2110.06848). DCL has w = 1; DCLW,
    `weight: von_mises`, has w = 2 - exp(T+ / sigma) / mean exp(T+ / sigma), the mean over the positives of the batch:
    pairs that lie apart weigh more, and the weights average 1. The paper writes the cosine there and not the score,
    so sigma is in units of scores: its 0.5 at temperature 0.1 is the 5 that is the default here, and generally 0.5
    over the temperature. No gradient goes through w. A positive without negatives costs nothing.
    """

    class Config(NodeConfig):
        weight: Literal["none", "von_mises"] = Field("none", description="of the positives; von_mises is DCLW")
        sigma: PositiveFloat = Field(5.0, description="width of the von Mises-Fisher weights, in units of the scores")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.weighs, self.sigma = config.weight == "von_mises", config.sigma
        self.mean = not self.weighs  # else the batch sets the weights

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
        positive = positives(scores)
        together = positive * self._weight(positive.detach()) if self.weighs else positive
        cost = log_sum_exp(scores, "the decoupled loss")[:, None] - together
        return cost.masked_fill(numbers(scores, "the decoupled loss")[:, None] == 0, 0).mean()

    def _weight(self, positive: Tensor) -> Tensor:
        share = torch.softmax(positive.flatten() / self.sigma, 0)
        return 2 - positive.numel() * share.view_as(positive)
