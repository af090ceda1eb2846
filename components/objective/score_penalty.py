"""A penalty of large scores."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from .base import numbers, positives, total

__all__ = ["ScorePenalty"]


@component("objective.score_penalty", traits=("regularises",))
class ScorePenalty(nn.Module):
    """The mean of the squared scores, over positives and negatives together.

    AMDIM's regulariser, lambda * s^2 (Bachman et al. 2019, arXiv:1906.00910); its lambda of 4e-2 is the weight of
    the term, `penalty: 4e-2 * penalty(s)`. The paper takes the scores before their soft clip, c tanh(s / c), where a
    large score still has a gradient. Pairs that the mask marks are left out, those marked `same` count. Negatives
    are not needed.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
        positive, scores = positives(scores), scores._replace(same=None)
        squares = positive.square().sum()
        if scores.pairs is None and scores.negative is None:
            return squares / positive.numel()
        n = positive.numel() + numbers(scores, "the penalty").sum()
        return (squares + total(torch.square, 0, scores, "the penalty").sum()) / n
