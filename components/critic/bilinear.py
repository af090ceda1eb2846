"""A learned bilinear form between two embeddings, which may be of different sizes."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component
from graphssl.ports import Negatives, Scores

from ..numeric import exact, wide
from .base import dot_products

__all__ = ["Bilinear"]


@component("critic.bilinear", traits=("rows",))
class Bilinear(nn.Module):
    """query^T W key over a temperature, with a learned W.

    CPC's critic, equation 3 (van den Oord et al. 2018, arXiv:1807.03748), without the exponential. `weight` is
    `d e`: queries and keys may be of different sizes. It starts normal with variance 1 / (d e), so that inputs of
    unit variance give scores of unit variance. Scores are float32. Keys with positions, `b ... e`, give positives
    `b ...`.
    """

    class Config(NodeConfig):
        temperature: Scheduled[PositiveFloat] = Field(1.0, description="divides the scores")

    temperature: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        d, e = sizes["d"], sizes["e"]
        self.weight = nn.Parameter(torch.randn(d, e) / (d * e) ** 0.5)

    def forward(
        self,
        query: Annotated[Tensor, "b d"],
        key: Annotated[Tensor, "b ... e"],
        negatives: Annotated[Negatives, "n e"] | None = None,
    ) -> Annotated[Scores, "b ...", "b n"]:
        with exact(query):
            query = wide(query)
            query = query @ self.weight.to(query.dtype)
        return dot_products(query, key, negatives, self.temperature)
