"""Prototypes: learned directions that embeddings are compared with."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import exact, unit, wide

__all__ = ["Prototypes"]


@component("head.prototypes", traits=("apart",))
class Prototypes(nn.Module):
    """The cosine of an embedding with each of p learned vectors: `b d` to `b p`, in -1 to 1, float32.

    SwAV's prototypes, section 3.1 (Caron et al. 2020, arXiv:2006.09882), and the last layer of DINO's head, weight
    normalised with its length fixed at 1 (Caron et al. 2021, arXiv:2104.14294, section 3.1). `weight` is `p d`, without
    a bias; it starts on the unit sphere. Embeddings are l2-normalised here, and so are the prototypes, in each
    forward pass: SwAV's code writes the normalised ones over the weights before each step instead, DINO's does as we
    do. The temperature is the objective's.
    """

    class Config(NodeConfig):
        count: int = Field(3000, ge=2, description="p, the number of prototypes: SwAV 3000, DINO 65536")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.weight = nn.Parameter(unit(torch.randn(config.count, sizes["d"])))

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b p"]:
        with exact(x):
            x = unit(wide(x))
            return x @ unit(self.weight).to(x.dtype).T
