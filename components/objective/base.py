"""What objectives on scores share: scores taken apart, and sums and means over what is a negative.

A pair is no negative where the mask says so, and where it is a further positive (`same`). Such a pair has no
gradient, whatever its score. The mean over no negatives at all is 0.

Where negatives are so many that a critic has left their scores uncomputed, `log_sum_exp` and `numbers` do without the
`b n` scores; all other functions compute them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from graphssl.ports import Own, Scores

from ..numeric import wide

__all__ = ["counts", "either", "log_sum", "log_sum_exp", "lowest", "mean_over", "negatives", "numbers", "positives"]

Excluded = Annotated[Tensor, "b n"] | None  # True where a pair is no negative; None where all are


def positives(scores: Scores) -> Annotated[Tensor, "b p"]:
    """The positive scores, in float32 or wider; `b` counts as one for each query, `b ...` as p."""
    return wide(scores.positive).unsqueeze(1).flatten(1)


def negatives(scores: Scores, who: str) -> tuple[Annotated[Tensor, "b n"], Excluded]:
    """The scores of the negatives, in float32 or wider, and where a pair is none.

    Raises ValueError where the critic was given no negatives; `who` is the objective, as it calls itself.
    """
    negative = scores.negative
    if negative is None:
        raise ValueError(
            f"{who} needs negatives: give the critic a third value, from a queue, a memory bank or the batch"
        )
    return wide(negative), either(scores.mask, scores.same)


def either(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """True where one of two masks is; None is a mask that is False everywhere."""
    if one is None or other is None:
        return one if other is None else other
    return one | other


def lowest(tensor: Tensor) -> float:
    """Stands for the score of a pair that does not count.

    Not -inf: where a whole row is such, logsumexp would have a gradient that is not a number.
    """
    return torch.finfo(tensor.dtype).min


def counts(negative: Tensor, excluded: Excluded) -> Annotated[Tensor, "b"]:
    """How many negatives each query has, as floats."""
    n = negative.new_full((len(negative),), negative.shape[1])
    return n if excluded is None else n - excluded.sum(1)


def log_sum(negative: Tensor, excluded: Excluded) -> Annotated[Tensor, "b"]:
    """log sum exp over the negatives of each query; `lowest` where it has none."""
    if excluded is not None:
        negative = negative.masked_fill(excluded, lowest(negative))
    return torch.logsumexp(negative, 1)


def log_sum_exp(scores: Scores, who: str) -> Annotated[Tensor, "b"]:
    """As `log_sum`; scores that are not computed yet are so a piece at a time."""
    if scores.pairs is None:
        return log_sum(*negatives(scores, who))
    return scores.pairs.log_sum_exp(_excluded(scores))


def numbers(scores: Scores, who: str) -> Annotated[Tensor, "b"]:
    """As `counts`; scores that are not computed yet are not needed for it."""
    if scores.pairs is None:
        return counts(*negatives(scores, who))
    b, n = scores.pairs.shape
    excluded = _excluded(scores)
    found = scores.pairs.query.new_full((b,), n)
    if isinstance(excluded, Own):
        return found - 1
    return found if excluded is None else found - excluded.sum(1)


def _excluded(scores: Scores) -> Own | Excluded:
    """Where a pair is no negative."""
    own = scores.own if scores.same is None else None
    return own or either(scores.mask, scores.same)


def mean_over(function: Callable[[Tensor], Tensor], negative: Tensor, excluded: Excluded) -> Annotated[Tensor, ""]:
    """The mean of a function of the scores, over all negatives of the batch together."""
    if excluded is None:
        return function(negative).mean()
    # Twice: a value that is not finite would come back as a gradient that is not a number.
    values = function(negative.masked_fill(excluded, 0)).masked_fill(excluded, 0)
    return values.sum() / (~excluded).sum().clamp(min=1)
