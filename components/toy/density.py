"""An unnormalised density, scored against the noise that it is to be told from."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives, Scores

__all__ = ["LogRatio"]


@component("toy.log_ratio")
class LogRatio(nn.Module):
    """log p(x) - log q(x): p(x) = exp(-1/2 sum_d precision_d x_d^2) without its constant, q the noise N(0, std^2).

    Noise-contrastive estimation of an unnormalised model (Gutmann and Hyvarinen 2012, JMLR 13, section 3). The
    precisions are learnt, as logarithms, from 1. `objective.nce_learned` learns the constant that is missing:
    log Z = d/2 log(2 pi) - 1/2 sum_d log precision_d. Data `b d`, noise `n d`.
    """

    class Config(NodeConfig):
        std: PositiveFloat = Field(2.0, description="standard deviation of the noise, as the noise node has it")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.std = config.std
        self.log_precision = nn.Parameter(torch.zeros(sizes["d"]))

    def forward(self, x: Annotated[Tensor, "b d"], noise: Annotated[Negatives, "n d"]) -> Annotated[Scores, "b", "b n"]:
        negative = self._ratio(noise.entries).expand(len(x), -1)
        if noise.pick is not None:
            negative = negative.gather(1, noise.pick)
        return Scores(self._ratio(x), negative, noise.mask, noise.same)

    def _ratio(self, x: Annotated[Tensor, "n d"]) -> Annotated[Tensor, "n"]:
        model = -(self.log_precision.exp() * x.square()).sum(1) / 2
        constant = x.shape[1] * (math.log(2 * math.pi) / 2 + math.log(self.std))
        return model + x.square().sum(1) / (2 * self.std**2) + constant
