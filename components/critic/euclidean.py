"""Minus the Euclidean distance, for losses with a margin."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives, Scores

from ..precision import exact, wide
from .base import against, beside

__all__ = ["Euclidean"]


@component("critic.euclidean", traits=("bounded", "distance"))
class Euclidean(nn.Module):
    """-|query - key|, for `objective.margin` and `objective.triplet`.

    Hadsell, Chopra and LeCun 2006, Dimensionality reduction by learning an invariant mapping, CVPR, equation 1.
    Distances are roots of summed squared differences, and not of |x|^2 - 2 xy + |y|^2, in which rounding would lose
    those of near neighbours. The gradient at distance 0 is 0. Nothing is normalised; scores are float32. Keys with
    positions, `b ... d`, give positives `b ...`.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self,
        query: Annotated[Tensor, "b d"],
        key: Annotated[Tensor, "b ... d"],
        negatives: Annotated[Negatives, "n d"] | None = None,
    ) -> Annotated[Scores, "b ...", "b n"]:
        query, key = wide(query), wide(key)
        positive = -vector_norm(beside(query, key) - key, dim=-1)
        if negatives is None:
            return Scores(positive)
        with exact(query):
            negative = -against(query, negatives, _distances)
        return Scores(positive, negative, negatives.mask, negatives.same)


def _distances(query: Tensor, entries: Tensor) -> Tensor:
    entries = entries.to(query.dtype)
    if entries.ndim == 2:
        return torch.cdist(query, entries, compute_mode="donot_use_mm_for_euclid_dist")
    distance: Tensor = vector_norm(query[:, None] - entries, dim=-1)
    return distance
