"""Noise-contrastive estimation, its constant estimated on the first batch."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component, update
from graphssl.ports import Scores

from .discrimination import first_estimate, nce

__all__ = ["NCE"]


@component("objective.nce", traits=("uniform_noise",))
class NCE(nn.Module):
    """Tells data from noise pair by pair, with a constant that the first batch sets; in nats.

    -[log h(T+) + sum_j log(1 - h(T-_j))], h(T) = sigmoid(T - log(Z / N) - log m), summed over the m negatives, the
    mean over the batch (Gutmann and Hyvarinen 2010, Noise-contrastive estimation, AISTATS; instance discrimination,
    equations 6 and 7, Wu et al. 2018, arXiv:1805.01978; CMC, equation 12, Tian et al. 2019, arXiv:1906.05849).

    The papers estimate Z on the first batch and freeze it. Here that is `log_z` (0-d), log(Z / N) = log mean exp(T)
    over the positives and negatives of the first step, once `known` (0-d) is true; before, each batch uses its own.
    Other constants: `objective.nce_learned`, `objective.nce_fixed`. A query without negatives costs nothing.
    """

    class Config(NodeConfig):
        pass

    log_z: Tensor
    known: Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.register_buffer("log_z", torch.zeros(()))
        self.register_buffer("known", torch.zeros((), dtype=torch.bool))

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
        return nce(scores, self._constant(scores))

    @update
    def settle(self, scores: Annotated[Scores, "b ...", "b n"]) -> None:
        """Keeps the estimate of the first batch; later ones change nothing. Of a family of scores the first counts."""
        self.log_z.copy_(self._constant(scores))
        self.known.fill_(True)

    def _constant(self, scores: Scores) -> Tensor:
        return torch.where(self.known, self.log_z, first_estimate(scores).detach())
