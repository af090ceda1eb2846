"""The coding rate of a batch: how many nats its samples take, up to a distortion."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component

from ..numeric import exact, unit, wide
from .redundancy import check_batch

__all__ = ["CodingRate"]


@component("objective.coding_rate")
class CodingRate(nn.Module):
    """Minus 1/2 log det(I + d / (b distortion) x^T x): samples spread over all directions, evenly.

    The total coding rate of EMP-SSL, equation 2 (Tong et al. 2023, arXiv:2304.03977), after Yu et al. 2020
    (arXiv:2006.08558), by whom the distortion is epsilon squared. EMP-SSL has the mean over an image's patches,
    `rate(z)`, beside 200 times the cosines of each with their mean. In nats; of a family the mean over its views.

    x: views of `b d`, l2-normalised here; float32 inside. The determinant is that of a matrix of d d or b b, whichever
    is smaller, by a Cholesky decomposition, for which nothing waits. Raises ValueError for a batch of one.
    """

    class Config(NodeConfig):
        distortion: Scheduled[PositiveFloat] = Field(0.2, description="epsilon squared, the mean error of the code")

    distortion: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[tuple[Tensor, ...], "b d"]) -> Annotated[Tensor, ""]:
        check_batch(x[0], "the coding rate")
        views = torch.stack([unit(wide(view)) for view in x])
        with exact(views):
            b, d = views.shape[1:]
            product = views.mT @ views if d <= b else views @ views.mT  # both have the same determinant
            identity = torch.eye(min(b, d), dtype=views.dtype, device=views.device)
            # It is positive definite: nothing is to be checked, which would wait for the device.
            factor, _ = torch.linalg.cholesky_ex(identity + d / (b * self.distortion) * product)
            half: Tensor = factor.diagonal(dim1=1, dim2=2).log().sum(1)
            return -half.mean()
