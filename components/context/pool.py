"""One vector for a grid of them."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

__all__ = ["Pool"]


@component("context.pool", traits=("rows",))
class Pool(nn.Module):
    """The mean over the positions: `b r k d` to `b d`.

    What is judged of CPC's encoder of patches (van den Oord et al. 2018, arXiv:1807.03748, section 3.2).
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[Tensor, "b r k d"]) -> Annotated[Tensor, "b d"]:
        return x.mean((1, 2))
