"""Several positives of one query, told from everything: the supervised contrastive loss."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from .base import log_sum, negatives, positives

__all__ = ["MultiPositive"]


@component("objective.multi_positive", traits=("mean",), formerly=("objective.supcon",))
class MultiPositive(nn.Module):
    """-1/|P| sum over the positives p in P of log(exp(T_p) / sum over all pairs of exp(T)), the mean over b; in nats.

    SupCon, supervised contrastive learning, equation 2, the sum outside of the logarithm (Khosla et al. 2020,
    arXiv:2004.11362). P are the query's own positives and all pairs marked `same`; the denominator runs over
    positives, `same` and negatives. What the mask marks is neither, also where it is `same`: such as the query's own
    views, which share its label. Without `same` and with one positive for each query it equals `objective.infonce`.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
        positive = positives(scores)
        first, more = positive[:, :1], positive[:, 1:]
        others, _ = negatives(scores, "the loss of many positives")
        masked = _flags(scores.mask, others, more, False)
        same = _flags(scores.same, others, more, True) & ~masked
        others = torch.cat([more, others], 1)
        # Relative to the first positive, so that a small loss keeps its digits: log of its share, then the others'.
        own = -functional.logsigmoid(first - log_sum(others, masked)[:, None])
        rest = (first - others).masked_fill(~same, 0).sum(1, keepdim=True)
        return (own + rest / (1 + same.sum(1, keepdim=True))).mean()


def _flags(mask: Tensor | None, negative: Tensor, more: Tensor, value: bool) -> Annotated[Tensor, "b p+n"]:
    """A mask of the negatives, with a value for the further positives before it."""
    if mask is None:
        mask = torch.zeros_like(negative, dtype=torch.bool)
    return torch.cat([torch.full_like(more, value, dtype=torch.bool), mask], 1)
