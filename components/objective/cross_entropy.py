"""Cross-entropy with target probabilities: SwAV's and DINO's loss."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component

from ..numeric import wide
from .base import check_positions, mean_where

__all__ = ["CrossEntropy"]


@component("objective.cross_entropy", traits=("mean", "of_shares"))
class CrossEntropy(nn.Module):
    """-sum_p target log softmax(prediction / temperature), the mean over the batch; in nats.

    SwAV, equation 2 (Caron et al. 2020, arXiv:2006.09882), with the codes of `target.sinkhorn`; DINO, equation 2
    (Caron et al. 2021, arXiv:2104.14294), with the probabilities of `target.centre`. Both use temperature 0.1 for the
    prediction. prediction: logits `b ... p`; target: `b ... p`, rows that sum to 1; float32 inside.

    where: `b ...`, True at the positions of a sample that count, such as iBOT's hidden patches (Zhou et al. 2022,
    arXiv:2111.07832, equation 2): their mean, then the mean over the samples, one of which that has none costs 0.

    weight: `b ...`, a factor of what each position costs, as `target.rarity` gives it; the mean is over all positions,
    whatever their weights (Zhang et al. 2016, arXiv:1603.08511, equation 2). Raises ValueError where these are other
    positions.
    """

    class Config(NodeConfig):
        temperature: Scheduled[PositiveFloat] = Field(0.1, description="divides the predicted logits")

    temperature: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self,
        prediction: Annotated[Tensor, "b ... p"],
        target: Annotated[Tensor, "b ... p"],
        where: Annotated[Tensor, "b ..."] | None = None,
        weight: Annotated[Tensor, "b ..."] | None = None,
    ) -> Annotated[Tensor, ""]:
        check_positions(prediction, target)
        log_share = torch.log_softmax(wide(prediction) / self.temperature, -1)
        cost = -(wide(target) * log_share).sum(-1)
        if weight is not None and weight.shape != cost.shape:
            given, compared = (x[0].numel() for x in (weight, cost))
            raise ValueError(f"'weight' has {given} numbers for a sample, and {compared} positions are compared")
        return mean_where(cost if weight is None else cost * wide(weight), where)
