"""Noise-contrastive estimation, its constant learned with the weights."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from .discrimination import nce

__all__ = ["LearnedNCE"]


@component("objective.nce_learned", traits=("uniform_noise", "mean"))
class LearnedNCE(nn.Module):
    """Tells data from noise pair by pair, with a learned constant gamma; in nats.

    `objective.nce` with `gamma` (0-d, a weight) for log(Z / N): h(T) = sigmoid(T - gamma - log m). The constant as a
    parameter is Gutmann and Hyvarinen's (2010, Noise-contrastive estimation, AISTATS, section 2.1, where c = -log Z).
    With one negative it is P(data | T) = sigmoid(T - gamma), a logistic regression with a bias; log m stands apart, so
    that gamma means the same for any number of negatives.
    """

    class Config(NodeConfig):
        gamma: float = Field(0.0, description="log(Z / N) at the start", allow_inf_nan=False)

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((), config.gamma))

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
        return nce(scores, self.gamma)
