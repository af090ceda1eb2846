"""Two views' features are correlated one with one, and with no other: Barlow Twins' loss."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component

from ..numeric import exact, wide
from .redundancy import check_batch, off_diagonal

__all__ = ["CrossCorrelation"]

EPS = 1e-5  # of the batch norm in the authors' code; the paper has none


@component("objective.cross_correlation", formerly=("objective.barlow_twins",))
class CrossCorrelation(nn.Module):
    """The sum of (1 - C_ii)^2 and of lambda C_ij^2, i != j, C the correlation of two views' features over the batch.

    Barlow Twins' loss: Zbontar et al. 2021, arXiv:2103.03230, equations 1 and 2. x, y: `b d`, each standardised over
    the batch here with its biased variance, as by batch norm; float32 inside. Nothing is scaled, as in the authors'
    code of today; an earlier one had a factor, which is a weight of the term: `0.024 * objective(z[0], z[1])`. Memory
    is that of a matrix of d d or b b, whichever is smaller. Raises ValueError for a batch of one.
    """

    class Config(NodeConfig):
        redundancy: Scheduled[NonNegativeFloat] = Field(5e-3, description="lambda, the weight of the terms i != j")

    redundancy: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[Tensor, "b d"], y: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
        check_batch(x, "the cross-correlation")
        with exact(x):
            x, y = _standardised(wide(x)), _standardised(wide(y))
            invariance = (1 - (x * y).mean(0)).square().sum()
            return invariance + self.redundancy * (off_diagonal(x, y) / len(x) ** 2)


def _standardised(x: Tensor) -> Tensor:
    centred = x - x.mean(0)
    return centred * (centred.square().mean(0) + EPS).rsqrt()
