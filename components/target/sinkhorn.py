"""SwAV's codes: assignments to prototypes that use all of them alike."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component

from ..numeric import wide

__all__ = ["Sinkhorn"]

Weight = Annotated[float, Field(ge=0, le=1)]


@component("target.sinkhorn", detached=True, traits=("shares",))
class Sinkhorn(nn.Module):
    """Soft assignments of a batch to prototypes, spread evenly over these by Sinkhorn-Knopp: scores `b p` to `b p`.

    SwAV, equations 3 to 5 (Caron et al. 2020, arXiv:2006.09882), and its code: exp(scores / epsilon) is scaled so
    that each prototype has a share of b / p, then so that each sample's row sums to 1, and so on; rows come last and
    are exact. Done on logarithms in float32, so that no epsilon overflows. Each view's batch is assigned by itself.
    Never carries a gradient. Raises ValueError for one sample alone.

    A batch that is small beside p spreads over few prototypes only. So SwAV lets embeddings of earlier batches join
    it (section 3.1; its script for a batch of 256 keeps 3,840). `past` are the scores of those, `n p`: assigned with
    the batch, then dropped. Each counts `weight` times a sample of the batch. SwAV begins with them in epoch 15, when
    embeddings no longer move fast: `weight: {from: 0, to: 1, shape: step, over: 15}`.
    """

    class Config(NodeConfig):
        epsilon: Scheduled[PositiveFloat] = Field(0.05, description="softness of the assignments")
        iterations: PositiveInt = Field(3, le=100, description="times that prototypes and samples are scaled")
        weight: Scheduled[Weight] = Field(1.0, description="what a past sample counts, beside one of the batch")
        rows_first: bool = Field(
            False, description="each sample's row sums to 1 before the first iteration (MSN's code)"
        )

    epsilon: float | Tensor
    weight: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.iterations, self.rows_first = config.iterations, config.rows_first

    def forward(
        self, scores: Annotated[Tensor, "b p"], past: Annotated[Tensor, "n p"] | None = None
    ) -> Annotated[Tensor, "b p"]:
        if past is None and len(scores) < 2:
            raise ValueError("samples share the prototypes, and one alone gets equal parts of all, whatever its scores")
        code, mass = wide(scores.detach()) / self.epsilon, None
        if past is not None:
            code = torch.cat([code, wide(past.detach()) / self.epsilon])
            mass = code.new_ones(len(code), 1)
            mass[len(scores) :] *= self.weight
        if self.rows_first:
            code = code.log_softmax(1)
        for _ in range(self.iterations):
            # The shares b / p and 1 are left out: what scales all alike, the next step takes out.
            code = _spread(code, mass).log_softmax(1)
        return code[: len(scores)].exp()


def _spread(code: Annotated[Tensor, "b p"], mass: Annotated[Tensor, "b 1"] | None) -> Annotated[Tensor, "b p"]:
    """Logarithms scaled so that each prototype has the same share; a row counts as its mass, of which 0 is none."""
    return code.log_softmax(0) if mass is None else code - torch.logsumexp(code + mass.log(), 0)
