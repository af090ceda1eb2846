"""The squared length of embeddings, as a regulariser."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import wide

__all__ = ["Norm"]


@component("objective.norm", traits=("regularises", "mean"))
class Norm(nn.Module):
    """|x|^2, the mean over the batch.

    It keeps embeddings short where a critic does not normalise them, as for the N-pair loss (Sohn 2016, section
    3.2.2): `0.002 * norm(z)`. x: `b d`; float32 inside.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
        return wide(x).square().sum(1).mean()
