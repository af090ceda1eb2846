"""A convolutional map as a grid of vectors."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

__all__ = ["Positions"]


@component("context.positions", traits=("rows",))
class Positions(nn.Module):
    """A map `b c r k` as the vectors of its positions, `b r k c`: a view, nothing is copied.

    Nodes that know vectors only, `b d`, take such a grid position by position: head.mlp is a 1x1 convolution of it.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, map: Annotated[Tensor, "b c r k"]) -> Annotated[Tensor, "b r k c"]:
        return map.permute(0, 2, 3, 1)
