"""Cosine similarity: the critic of SimCLR, MoCo and BYOL."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component
from graphssl.ports import Negatives, Scores

from .base import dot_products

__all__ = ["Cosine"]


@component("critic.cosine")
class Cosine(nn.Module):
    """Cosine similarity over a temperature.

    sim(u, v) / temperature with sim(u, v) = u^T v / (|u| |v|): SimCLR, section 2.1 (Chen et al. 2020,
    arXiv:2002.05709). Queries, keys and negatives are l2-normalised here and may have any length; scores are
    float32, in -1/temperature to 1/temperature. MoCo and NPID use 0.07, MoCo v2 0.2, SimCLR 0.1 to 0.5. BYOL's
    regression takes the cosine itself: 1, the default.
    """

    class Config(NodeConfig):
        temperature: Scheduled[PositiveFloat] = Field(1.0, description="divides the scores; 1 is the plain cosine")

    temperature: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self,
        query: Annotated[Tensor, "b d"],
        key: Annotated[Tensor, "b d"],
        negatives: Annotated[Negatives, "n d"] | None = None,
    ) -> Annotated[Scores, "b", "b n"]:
        return dot_products(query, key, negatives, self.temperature, cosine=True)
