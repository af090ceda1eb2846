"""The triplet loss: a positive should be nearer than a negative, by a margin."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn.functional import relu

from graphssl.component import NodeConfig, Scheduled, Sizes, component
from graphssl.ports import Scores

from .base import lowest, negatives, positives

__all__ = ["Triplet"]


@component("objective.triplet")
class Triplet(nn.Module):
    """max(0, D+ - D- + margin) with D = -score, the mean over the triplets that `mine` chooses.

    FaceNet, sections 3.1 and 3.2 (Schroff et al. 2015, arXiv:1503.03832), whose D is the squared Euclidean
    distance; here it is minus whatever the critic gives. For each positive the triplets are:

        all        one with each negative
        hard       the one with the nearest negative
        semi_hard  the one with the nearest of those negatives that are farther than the positive and still within
                   the margin, D+ < D- < D+ + margin; a positive that has no such negative has no triplet

    Triplets that cost nothing count in the mean; without any triplet the loss is 0. Nearest negatives are looked for
    among those of the query. `b p n` differences are held at once, where a query has p positives.
    """

    class Config(NodeConfig):
        margin: Scheduled[PositiveFloat] = Field(0.2, description="in units of the scores")
        mine: Literal["all", "hard", "semi_hard"] = Field("all", description="which negatives of a query count")

    margin: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.mine = config.mine

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
        gap, chosen = self._triplets(scores)
        cost = relu(gap + self.margin).masked_fill(~chosen, 0)
        return cost.sum() / chosen.sum().clamp(min=1)

    def _triplets(self, scores: Scores) -> tuple[Tensor, Tensor]:
        """D+ - D- and whether it counts, `b p n` or, with the nearest alone, `b p`."""
        negative, excluded = negatives(scores, "the triplet loss")
        kept = torch.ones_like(negative, dtype=torch.bool) if excluded is None else ~excluded
        gap = negative.masked_fill(~kept, 0)[:, None] - positives(scores)[..., None]
        kept = kept[:, None].expand_as(gap)
        if self.mine == "all":
            return gap, kept
        if self.mine == "semi_hard":
            kept = kept & (gap < 0) & (gap > -self.margin)
        return gap.masked_fill(~kept, lowest(gap)).amax(2), kept.any(2)
