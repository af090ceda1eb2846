"""Colours as soft codes over the bins that sRGB reaches."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..augment.lab import in_lab_units, reachable
from ..numeric import wide

__all__ = ["ColourBins"]


@component("target.colour_bins", detached=True, traits=("rows", "shares"))
class ColourBins(nn.Module):
    """Between which bins the colour of every `stride`-th pixel lies: ab `b 2 y x` to `b r k p`, rows of sum 1.

    The target of colourisation, which no other method shares: hence a part of its own (Zhang et al. 2016,
    arXiv:1603.08511, section 2.1). Bins are the points of a grid of `step` in a* and b* that colours of sRGB round to,
    p = 261 of them; of these the `nearest` get exp(-distance^2 / (2 sigma^2)), over their sum. The authors' file has
    313 bins, of which some are the nearest of no colour. ab: as `augment.lab` gives it; r = ceil(y / stride), from the
    first pixel on, as the authors do. More `nearest` than bins raise ValueError. Float32 or wider, never with a
    gradient.
    """

    class Config(NodeConfig):
        stride: PositiveInt = Field(4, description="px from one pixel that is coded to the next")
        step: PositiveFloat = Field(10.0, ge=2, le=100, description="distance of neighbouring bins, in units of L*a*b*")
        nearest: PositiveInt = Field(5, description="bins that a colour is coded by; the authors' code has 10")
        sigma: PositiveFloat = Field(5.0, description="of the weights, in units of L*a*b*")

    bins: Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.stride, self.nearest, self.sigma = config.stride, config.nearest, config.sigma
        bins = _bins(config.step).clone().to(torch.get_default_device())
        if self.nearest > len(bins):
            raise ValueError(f"a step of {config.step:g} leaves {len(bins)} bins, and nearest is {self.nearest}")
        self.register_buffer("bins", bins, persistent=False)

    @torch.no_grad()
    def forward(self, ab: Annotated[Tensor, "b 2 y x"]) -> Annotated[Tensor, "b r k p"]:
        colour = in_lab_units(wide(ab)[:, :, :: self.stride, :: self.stride]).permute(0, 2, 3, 1)
        bins = self.bins.to(colour.dtype)
        distance = (colour[..., None, :] - bins).square().sum(-1)
        near, place = distance.topk(self.nearest, dim=-1, largest=False)
        weight = torch.softmax(near / (-2 * self.sigma**2), -1)
        return torch.zeros_like(distance).scatter(-1, place, weight)


@lru_cache(maxsize=8)
def _bins(step: float) -> Annotated[Tensor, "p 2"]:
    with torch.device("cpu"):  # though nodes may be in the making on the meta device
        bins: Tensor = (reachable() / step).round().unique(dim=0) * step
        return bins
