"""Samples of normal distributions, as data and as noise."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives

__all__ = ["Noise", "Normal"]


@component("toy.normal")
class Normal(nn.Module):
    """A fresh sample of N(0, std^2) in each dimension for each sample of the batch: `b` to `b d`."""

    class Config(NodeConfig):
        size: PositiveInt = Field(2, description="dimensions, d")
        std: PositiveFloat = Field(1.0, description="standard deviation in each dimension")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.size, self.std = config.size, config.std

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """The samples, `b d`."""
        return self.std * torch.randn(b, self.size, generator=generator, device=device)

    def forward(self, index: Annotated[Tensor, "b"], draws: Tensor) -> Annotated[Tensor, "b d"]:
        return draws


@component("toy.noise")
class Noise(nn.Module):
    """`count` fresh samples of N(0, std^2) as negatives for the whole batch: `n d`."""

    class Config(NodeConfig):
        size: PositiveInt = Field(2, description="dimensions, d")
        std: PositiveFloat = Field(2.0, description="standard deviation in each dimension")
        count: PositiveInt = Field(256, description="samples, n")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.size, self.std, self.count = config.size, config.std, config.count

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """The samples, `n d`, however large the batch."""
        return self.std * torch.randn(self.count, self.size, generator=generator, device=device)

    def forward(self, index: Annotated[Tensor, "b"], draws: Tensor) -> Annotated[Negatives, "n d"]:
        return Negatives(draws)
