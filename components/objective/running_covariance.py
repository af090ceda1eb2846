"""What a batch has in common with the directions that samples have lately lain in."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component, update

from ..numeric import Momentum, exact, unit, wide

__all__ = ["RunningCovariance"]


@component("objective.running_covariance", traits=("running",))
class RunningCovariance(nn.Module):
    """x^T C x, the mean over the batch, where C is a moving average of the second moments x x^T.

    TiCo's covariance contrast (Zhu et al. 2022, arXiv:2206.10698): `8 * covariance(z)` keeps samples out of the
    directions in which many lie, in this batch (with a share of 1 - momentum, through which the gradient goes too) or
    lay in earlier ones. It is the squared cosine with all of these, so that C stands for a queue without an end. With
    momentum 0 it is the sum of the squares of the batch's second moments. Between 0 and 1; 1 / d where samples are
    spread evenly, once C has forgotten that it began at 0.

    x: `b d`, l2-normalised here; float32 inside. `covariance` is `d d`; `observe` writes it after the step, from the
    same embeddings.
    """

    class Config(NodeConfig):
        momentum: Scheduled[Momentum] = Field(0.9, description="m in m * covariance + (1 - m) * that of the batch")

    momentum: float | Tensor
    covariance: Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.register_buffer("covariance", torch.zeros(sizes["d"], sizes["d"]))

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
        moments = _second_moments(x)
        return (moments * self._moved(moments)).sum()  # the mean of x^T C x is the product of C and their moments

    @update
    def observe(self, x: Annotated[Tensor, "b d"]) -> None:
        """covariance = momentum * covariance + (1 - momentum) * second moments of the batch."""
        self.covariance.copy_(self._moved(_second_moments(x)))

    def _moved(self, moments: Tensor) -> Tensor:
        return self.momentum * self.covariance + (1 - self.momentum) * moments


def _second_moments(x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "d d"]:
    with exact(x):
        x = unit(wide(x))
        return x.T @ x / len(x)
