"""Noise-contrastive estimation: the loss that the three ways to its constant share."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from graphssl.ports import Scores

from .base import log_sum_exp, numbers, positives, total

__all__ = ["first_estimate", "nce"]


def nce(scores: Scores, log_z: float | Tensor) -> Annotated[Tensor, ""]:
    """-[log h(T+) + sum_j log(1 - h(T-_j))], h(T) = sigmoid(T - log_z - log m), m the negatives of the query.

    h is the probability that a pair came from the data and not from the noise, of which there is m times as much:
    P / (P + m Pn), with the model P = exp(T) / Z and uniform noise over N entries, Pn = 1 / N. Divided by P, it is
    1 / (1 + m Z / N exp(-T)), a sigmoid of T - log(Z / N) - log m. So N and Z count only as their ratio, and log_z
    stands for log(Z / N), the log of the mean of exp(T) over all entries. (NPID writes n, CMC M, for N.)

    The sum over the m negatives, the mean over the queries; several positives of a query count as their mean.
    """
    threshold = log_z + torch.log(numbers(scores, "NCE"))  # -inf without negatives: then h is 1
    data = functional.softplus(threshold[:, None] - positives(scores))
    return data.mean() + total(functional.softplus, threshold, scores, "NCE").mean()


def first_estimate(scores: Scores) -> Annotated[Tensor, ""]:
    """log(Z / N) from the scores of one batch: the log of the mean of exp(T), over positives and negatives."""
    positive, others = positives(scores), log_sum_exp(scores, "NCE")
    every = torch.logaddexp(torch.logsumexp(positive, (0, 1)), torch.logsumexp(others, 0))
    return every - torch.log(numbers(scores, "NCE").sum() + positive.numel())
