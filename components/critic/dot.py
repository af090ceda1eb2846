"""The dot product of embeddings as they are."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component
from graphssl.ports import Negatives, Scores

from .base import dot_products

__all__ = ["Dot"]


@component("critic.dot")
class Dot(nn.Module):
    """The dot product over a temperature; lengths count.

    The separable critic of mutual information estimators: phi(x)^T psi(y) (Poole et al. 2019, arXiv:1905.06922),
    with InfoNCE the N-pair loss (Sohn 2016). Nothing is normalised; scores are float32.
    """

    class Config(NodeConfig):
        temperature: Scheduled[PositiveFloat] = Field(1.0, description="divides the scores")

    temperature: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self,
        query: Annotated[Tensor, "b d"],
        key: Annotated[Tensor, "b d"],
        negatives: Annotated[Negatives, "n d"] | None = None,
    ) -> Annotated[Scores, "b", "b n"]:
        return dot_products(query, key, negatives, self.temperature)
