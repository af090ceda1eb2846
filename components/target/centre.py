"""DINO's teacher: probabilities of centred and sharpened logits."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component, update

from ..numeric import Momentum, wide

__all__ = ["Centre"]


@component("target.centre", detached=True, traits=("rows", "shares", "running"))
class Centre(nn.Module):
    """softmax((logits - centre) / temperature): `b p` to `b p`, without a gradient, in float32.

    DINO, section 3.1 and equation 4 (Caron et al. 2021, arXiv:2104.14294). The centre (`p`) is a moving average of the
    logits' mean and starts at 0; it keeps one output from dominating, and the low temperature keeps the outputs from
    becoming uniform. DINO raises the temperature from 0.04 to 0.07 over 30 epochs: `{from: 0.04, to: 0.07, shape:
    linear, over: 30}`.
    """

    class Config(NodeConfig):
        temperature: Scheduled[PositiveFloat] = Field(0.04, description="divides the centred logits")
        momentum: Scheduled[Momentum] = Field(0.9, description="m in m * centre + (1 - m) * mean of the logits")

    temperature: float | Tensor
    momentum: float | Tensor
    centre: Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(sizes["p"]))

    def forward(self, logits: Annotated[Tensor, "b p"]) -> Annotated[Tensor, "b p"]:
        return torch.softmax((wide(logits.detach()) - self.centre) / self.temperature, 1)

    @update
    def observe(self, logits: Annotated[tuple[Tensor, ...], "b p"]) -> None:
        """centre = momentum * centre + (1 - momentum) * mean, over the batch and all views together."""
        mean = torch.stack([view.to(self.centre.dtype).mean(0) for view in logits]).mean(0)
        self.centre.copy_(self.momentum * self.centre + (1 - self.momentum) * mean)
