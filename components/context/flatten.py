"""A whole map as one vector."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

__all__ = ["Flatten"]


@component("context.flatten", traits=("rows",))
class Flatten(nn.Module):
    """A map `b c r k` as one long vector `b d`, d = c r k: what Deep InfoMax's global discriminator sees.

    Hjelm et al. 2019, arXiv:1808.06670, appendix A.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, map: Annotated[Tensor, "b c r k"]) -> Annotated[Tensor, "b d"]:
        return map.flatten(1)
