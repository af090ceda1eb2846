"""Predictions that together use all classes alike."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component

from ..numeric import wide

__all__ = ["MeanEntropy"]


@component("objective.mean_entropy")
class MeanEntropy(nn.Module):
    """log p less the entropy of the mean prediction of a batch and all views: 0 where classes are used alike; in nats.

    The mean entropy maximisation of MSN (Assran et al. 2022, arXiv:2204.07141, equation 2), against the collapse to a
    few prototypes: sum_p m log(p m), m the mean of softmax(logits / temperature). Logits `b p`, of one view or several;
    float32 inside.
    """

    class Config(NodeConfig):
        temperature: Scheduled[PositiveFloat] = Field(0.1, description="divides the logits")

    temperature: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, logits: Annotated[tuple[Tensor, ...], "b p"]) -> Annotated[Tensor, ""]:
        share = torch.softmax(wide(torch.cat(logits)) / self.temperature, 1).mean(0)
        entropy: Tensor = torch.special.entr(share).sum()
        return math.log(len(share)) - entropy
