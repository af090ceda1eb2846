"""The contrastive loss with a margin, on distances."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn.functional import relu

from graphssl.component import NodeConfig, Scheduled, Sizes, component
from graphssl.ports import Scores

from .base import mean_over, negatives, positives

__all__ = ["Margin"]


@component("objective.margin", traits=("of_distances",))
class Margin(nn.Module):
    """1/2 mean D+^2 + 1/2 mean max(0, margin - D-)^2: draws positives together, and negatives a margin apart.

    Hadsell, Chopra and LeCun 2006, Dimensionality reduction by learning an invariant mapping, CVPR, equation 4,
    with the mean over all positives and the mean over all negatives of the batch. D = -score is a distance, so
    scores are minus distances, as `critic.euclidean` gives them; the margin is in units of that distance.
    """

    class Config(NodeConfig):
        margin: Scheduled[PositiveFloat] = Field(1.0, description="distance at which negatives are left alone")

    margin: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
        negative, excluded = negatives(scores, "the margin loss")
        far = mean_over(lambda score: relu(self.margin + score).square(), negative, excluded)
        return (positives(scores).square().mean() + far) / 2
