"""Minus the Euclidean distance, for losses with a margin."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives, Scores

from ..numeric import exact, wide
from .base import against, beside

__all__ = ["Euclidean"]


@component("critic.euclidean", traits=("bounded", "distance", "rows"))
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
            return negatives.scores(positive, against(query, negatives, _every, _picked))


def _every(query: Tensor, entries: Tensor) -> Annotated[Tensor, "b n"]:
    return -torch.cdist(query, entries.to(query.dtype), compute_mode="donot_use_mm_for_euclid_dist")


def _picked(query: Tensor, entries: Tensor, pick: Tensor) -> Annotated[Tensor, "b m"]:
    distance: Tensor = vector_norm(query[:, None] - entries[pick].to(query.dtype), dim=-1)
    return -distance
