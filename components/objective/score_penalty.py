"""A penalty of large scores."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from ..numeric import wide
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
        positive, (squares, n) = positives(scores), _of_negatives(scores)
        return (positive.square().sum() + squares) / (positive.numel() + n)


def _of_negatives(scores: Scores) -> tuple[Tensor | int, Tensor | int]:
    """The sum of their squares, and how many they are."""
    if scores.pairs is not None:
        scores = scores._replace(same=None)
        zero = scores.positive.new_zeros(len(scores.positive))
        return total(torch.square, zero, scores, "the penalty").sum(), numbers(scores, "the penalty").sum()
    negative, mask = scores.negative, scores.mask
    if negative is None:
        return 0, 0
    negative = wide(negative)
    if mask is None:
        return negative.square().sum(), negative.numel()
    return negative.masked_fill(mask, 0).square().sum(), (~mask).sum()
