"""Alignment: positive pairs lie close together."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import unit, wide

__all__ = ["Alignment"]


@component("objective.alignment", traits=("attracts", "mean"))
class Alignment(nn.Module):
    """|x - y|^alpha, the mean over the positive pairs (x, y), on the unit sphere.

    Wang and Isola 2020, arXiv:2005.10242, section 4.1; they use alpha 2, with which it is 2 - 2 cos(x, y), 0 to 4. It
    only attracts: `objective.uniformity` pushes apart. Between an embedding and a memory bank's entry of the same
    sample it is the proximal term of instance discrimination, equation 9 (Wu et al. 2018, arXiv:1805.01978). x, y:
    `b d`; float32 inside.
    """

    class Config(NodeConfig):
        # Below 1 the gradient grows without a bound where the two meet.
        alpha: float = Field(2.0, ge=1, description="power of the distance")
        normalize: bool = Field(True, description="l2-normalises both sides first; false takes them as they are")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.alpha, self.normalize = config.alpha, config.normalize

    def forward(self, x: Annotated[Tensor, "b d"], y: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
        x, y = wide(x), wide(y)
        if self.normalize:
            x, y = unit(x), unit(y)
        distance: Tensor = torch.linalg.vector_norm(x - y, dim=1)
        return distance.pow(self.alpha).mean()
