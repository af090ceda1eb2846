"""Lower bounds of f-divergences between positive and negative pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from .base import mean_over, negatives, positives

__all__ = ["FDivergence"]

Kind = Literal["kl", "reverse_kl", "chi_squared", "squared_hellinger", "jsd", "gan"]


class Expectations(NamedTuple):
    """What is averaged: of the positives g(T), of the negatives f*(g(T))."""

    positive: Callable[[Tensor], Tensor]
    negative: Callable[[Tensor], Tensor]


EXPECTATIONS: dict[Kind, Expectations] = {
    "kl": Expectations(lambda t: t + 1, torch.exp),
    "reverse_kl": Expectations(lambda t: -torch.exp(-t), lambda t: t - 1),
    "chi_squared": Expectations(lambda t: t, lambda t: t * t / 4 + t),
    "squared_hellinger": Expectations(lambda t: -torch.expm1(-t), torch.expm1),
    "jsd": Expectations(lambda t: math.log(2) - softplus(-t), lambda t: softplus(t) - math.log(2)),
    "gan": Expectations(lambda t: -softplus(-t), softplus),
}


@component("objective.f_divergence")
class FDivergence(nn.Module):
    """mean f*(g(T-)) - mean g(T+): minus a lower bound of the f-divergence of positive from negative pairs; in nats.

    f-GAN, equation 6 and table 2 (Nowozin et al. 2016, arXiv:1606.00709), with g the table's output activation and
    f* the conjugate; as the estimators of Deep InfoMax's code (Hjelm et al. 2019, arXiv:1808.06670):

        kind                 g(T)                  f*(g(T))            best T, r the density ratio
        kl                   T + 1                 exp(T)              log r
        reverse_kl           -exp(-T)              T - 1               log r
        chi_squared          T                     T^2 / 4 + T         2 (r - 1)
        squared_hellinger    1 - exp(-T)           exp(T) - 1          log(r) / 2
        jsd                  log 2 - softplus(-T)  softplus(T) - log 2 log r
        gan                  -softplus(-T)         softplus(T)         log r

    kl is Deep InfoMax's, the table's for T + 1, and so `objective.nwj` with scores one lower. Its code has another
    chi_squared, which is no bound of anything; this is the table's. jsd and gan are `objective.jsd`, less log 4
    and as it is. Exponentials overflow float32, and the loss is inf, for scores above 88: of negatives in kl and
    squared_hellinger, of positives with the sign turned in reverse_kl and squared_hellinger.
    """

    class Config(NodeConfig):
        kind: Kind = Field("jsd", description="the divergence that is bounded")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.kind = config.kind

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
        terms = EXPECTATIONS[self.kind]
        negative, excluded = negatives(scores, "f_divergence")
        return mean_over(terms.negative, negative, excluded) - terms.positive(positives(scores)).mean()

    def bound(self, loss: Tensor, scores: Scores) -> Tensor:
        """-loss, a lower bound of the divergence of that kind; only kl's is the mutual information.

        That of jsd is twice the Jensen-Shannon divergence, that of gan the same less log 4.
        """
        return -loss
