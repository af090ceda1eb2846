"""Embeddings of length one."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import unit, wide

__all__ = ["Normalize"]


@component("head.normalize", traits=("apart",))
class Normalize(nn.Module):
    """`b d` to vectors of length one, `b d`, float32: for critics that do not normalise, such as critic.euclidean.

    FaceNet's embeddings live on this sphere (Schroff et al. 2015, arXiv:1503.03832, section 3.1). Vectors shorter than
    1e-6 are scaled by 1e6 instead, so that gradients stay bounded.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b d"]:
        return unit(wide(x))
