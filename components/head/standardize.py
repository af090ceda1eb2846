"""Tokens of mean 0 and variance 1."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import wide

__all__ = ["Standardize"]


@component("head.standardize", traits=("apart",))
class Standardize(nn.Module):
    """Layer norm without weights, `b d` to `b d`, float32: each vector less its mean, over its deviation.

    What targets are that features are regressed on: I-JEPA's (Assran et al. 2023, arXiv:2301.08243, its code), and each
    layer of data2vec's (Baevski et al. 2022, arXiv:2202.03555, section 3.3). 1e-5 is added to the variance.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b d"]:
        x = wide(x)
        return functional.layer_norm(x, x.shape[-1:])
