"""What objectives on scores share: scores taken apart, and sums and means over what is a negative.

A pair is no negative where the mask says so, and where it is a further positive (`same`). Such a pair has no
gradient, whatever its score. The mean over no negatives at all is 0.

Where negatives are so many that a critic has left their scores uncomputed, `log_sum_exp`, `total`, `mean_of` and
`numbers` do without the `b n` scores; all other functions compute them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from graphssl.ports import Own, Scores

from ..numeric import wide

__all__ = [
    "check_positions", "either", "log_sum", "log_sum_exp", "lowest", "mean_of", "mean_over", "mean_where", "negatives",
    "numbers", "positives", "total", "weighted_mean",
]  # fmt: skip

Function = Callable[[Tensor], Tensor]
Excluded = Annotated[Tensor, "b n"] | None  # True where a pair is no negative; None where all are


def positives(scores: Scores) -> Annotated[Tensor, "b p"]:
    """The positive scores, in float32 or wider; `b` counts as one for each query, `b ...` as p."""
    return wide(scores.positive).unsqueeze(1).flatten(1)


def weighted_mean(cost: Annotated[Tensor, "b ..."], weight: Annotated[Tensor, "b"] | None) -> Annotated[Tensor, ""]:
    """The mean of what positives cost, each times its query's weight. Raises ValueError where numbers differ."""
    if weight is None:
        return cost.mean()
    if len(weight) != len(cost):
        raise ValueError(f"there are {len(weight)} weights for {len(cost)} queries: one for each is right")
    return (cost * wide(weight).view(-1, *(1,) * (cost.ndim - 1))).mean()


def check_positions(prediction: Annotated[Tensor, "b ... d"], target: Annotated[Tensor, "b ... d"]) -> None:
    """Raises ValueError where two that are compared have other positions: one of them would be repeated, or worse."""
    here, there = (tuple(x.shape[1:-1]) for x in (prediction, target))
    if here != there:
        said, other = (" x ".join(map(str, places)) or "no" for places in (here, there))
        raise ValueError(
            f"it compares {said} positions with {other}, and both must be of the same; tokens of kept patches become "
            "those of hidden ones in a head.decoder, and context.take takes some of a target's"
        )


def negatives(scores: Scores, who: str) -> tuple[Annotated[Tensor, "b n"], Excluded]:
    """The scores of the negatives, in float32 or wider, and where a pair is none.

    Raises ValueError where the critic was given no negatives; `who` is the objective, as it calls itself.
    """
    return wide(_all(scores, who)), either(scores.mask, scores.same)


def _all(scores: Scores, who: str) -> Tensor:
    negative = scores.negative
    if negative is None:
        raise ValueError(
            f"{who} needs negatives: give the critic a third value, from a queue, a memory bank or the batch"
        )
    return negative


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


def total(
    function: Function, shift: Annotated[Tensor, "b"] | float, scores: Scores, who: str
) -> Annotated[Tensor, "b"]:
    """The sum of function(score - shift) over the negatives of each query, a piece at a time as `log_sum_exp`.

    function: torch's exp, softplus or square.
    """
    if scores.pairs is not None:
        return scores.pairs.total(function, shift, _excluded(scores))
    negative, excluded = negatives(scores, who)
    return _values(_shifted(function, shift), negative, excluded).sum(1)


def numbers(scores: Scores, who: str) -> Annotated[Tensor, "b"]:
    """How many negatives each query has, as floats; scores that are not computed yet are not needed for it."""
    b, n = (scores.pairs or _all(scores, who)).shape
    found, excluded = positives(scores).new_full((b,), n), _excluded(scores)
    if isinstance(excluded, Own):
        return found - 1
    return found if excluded is None else found - excluded.sum(1)


def _excluded(scores: Scores) -> Own | Excluded:
    """Where a pair is no negative."""
    own = scores.own if scores.same is None else None
    return own or either(scores.mask, scores.same)


def mean_of(function: Function, shift: float, scores: Scores, who: str) -> Annotated[Tensor, ""]:
    """The mean of function(score - shift) over all negatives of the batch together, as `total`."""
    if scores.pairs is None:
        return mean_over(_shifted(function, shift), *negatives(scores, who))
    every = scores.pairs.total(function, shift, _excluded(scores))
    return every.sum() / numbers(scores, who).sum().clamp(min=1)


def _shifted(function: Function, shift: Annotated[Tensor, "b"] | float) -> Function:
    """The function of a score that is so much less."""
    if isinstance(shift, Tensor):
        less = shift[:, None]
        return lambda score: function(score - less)
    return (lambda score: function(score - shift)) if shift else function


def mean_over(function: Function, negative: Tensor, excluded: Excluded) -> Annotated[Tensor, ""]:
    """The mean of a function of the scores, over all negatives of the batch together."""
    values = _values(function, negative, excluded)
    return values.mean() if excluded is None else values.sum() / (~excluded).sum().clamp(min=1)


def _values(function: Function, negative: Tensor, excluded: Excluded) -> Annotated[Tensor, "b n"]:
    """A function of the scores, 0 where a pair is no negative."""
    if excluded is None:
        return function(negative)
    # Twice: a value that is not finite would come back as a gradient that is not a number.
    return function(negative.masked_fill(excluded, 0)).masked_fill(excluded, 0)


def mean_where(cost: Annotated[Tensor, "b ..."], where: Annotated[Tensor, "b ..."] | None) -> Annotated[Tensor, ""]:
    """The mean over the samples of each one's mean over its positions that count; 0 of one that has none.

    Raises ValueError where these are other positions, or numbers of them.
    """
    if where is None:
        return cost.mean()
    if where.dtype != torch.bool and not where.is_floating_point():
        raise ValueError(
            "'where' is of numbers of patches, and takes which of those that are compared count: a mask's .valid says "
            "so of its hidden patches, .mask of all"
        )
    if where.dtype != torch.bool:
        raise ValueError("'where' is of numbers, and takes True or False; what weighs is a 'weight'")
    if where.shape != cost.shape:
        raise ValueError(
            f"'where' says of {where[0].numel()} positions whether they count, and {cost[0].numel()} are compared: a "
            "mask's .valid is of its hidden patches, .mask of all"
        )
    cost, where = cost.unsqueeze(1).flatten(1), where.unsqueeze(1).flatten(1)
    there = where.to(cost.dtype)
    return ((cost * there).sum(1) / there.sum(1).clamp(min=1)).mean()
