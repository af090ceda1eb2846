"""How far a batch is from a standard normal distribution, along random directions."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import normalize

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import exact, wide
from .redundancy import check_batch

__all__ = ["SlicedGaussian"]

EPS = 1e-6  # of a deviation that is divided by


@component("objective.sliced_gaussian")
class SlicedGaussian(nn.Module):
    """A test of normality of the embeddings' projections on random directions, its mean over directions and views.

    A distribution is the standard normal one where all its projections are (Cramer and Wold). The tests:

        epps_pulley   b times the integral over t of |mean of exp(i t p) - exp(-t^2 / 2)|^2 exp(-t^2 / 2), p the
                      projections, by the trapezoidal rule from -limit to limit: SIGReg, the regulariser of LeJEPA
                      (Balestriero and LeCun 2025, arXiv:2511.08544, section 4; its code has 17 knots on the half
                      from 0 to 3)
        wasserstein   the mean squared difference of the sorted projections and a normal distribution's quantiles at
                      1 / (b + 1) to b / (b + 1): the shape of VISReg (Wu et al. 2026, arXiv:2606.02572)

    The first is of one size whatever the batch is, where samples are normal, and has next to no gradient where all are
    the same. VISReg takes the second of embeddings that have each feature's mean 0 and deviation 1 already
    (`standardize`, whose deviations carry no gradient), and says these by `objective.moments`.

    x: views of `b d`, not normalised; float32 inside. Directions are drawn for each step, the same for all views.
    Memory is that of views, samples, directions and, for epps_pulley, knots, multiplied. Raises ValueError for a batch
    of one.
    """

    class Config(NodeConfig):
        test: Literal["epps_pulley", "wasserstein"] = Field(
            "epps_pulley", description="of each projection: by its characteristic function, or by its quantiles"
        )
        slices: PositiveInt = Field(1024, description="random directions in a step")
        standardize: bool = Field(False, description="takes each feature's mean and deviation out first")
        knots: Annotated[int, Field(ge=2, le=10_000)] = Field(17, description="epps_pulley: points from 0 to limit")
        limit: PositiveFloat = Field(3.0, description="epps_pulley: where the integral ends")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.d, self.slices, self.standardize = sizes["d"], config.slices, config.standardize
        self.test, self.knots, self.limit = config.test, config.knots, config.limit

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Annotated[Tensor, "d s"]:
        """Directions, uniform on the sphere."""
        return normalize(torch.randn((self.d, self.slices), generator=generator, device=device), dim=0)

    def forward(self, x: Annotated[tuple[Tensor, ...], "b d"], draws: Tensor) -> Annotated[Tensor, ""]:
        check_batch(x[0], "a test of normality")
        views = torch.stack([wide(view) for view in x])
        if self.standardize:
            views = _standardised(views)
        with exact(views):
            projected = views @ draws.to(views.dtype)
        return self._epps_pulley(projected) if self.test == "epps_pulley" else _wasserstein(projected)

    def _epps_pulley(self, projected: Annotated[Tensor, "v b s"]) -> Annotated[Tensor, ""]:
        t = torch.linspace(0, self.limit, self.knots, dtype=projected.dtype, device=projected.device)
        normal = (-t.square() / 2).exp()
        angle = projected[..., None] * t
        gap = (angle.cos().mean(1) - normal).square() + angle.sin().mean(1).square()
        # The half below 0 is the same as that above it.
        statistic = 2 * torch.trapezoid(gap * normal, dx=self.limit / (self.knots - 1)) * projected.shape[1]
        return statistic.mean()


def _standardised(views: Annotated[Tensor, "v b d"]) -> Annotated[Tensor, "v b d"]:
    centred = views - views.mean(1, keepdim=True)
    deviation = centred.detach().square().mean(1, keepdim=True).sqrt()
    return centred / (deviation + EPS)


def _wasserstein(projected: Annotated[Tensor, "v b s"]) -> Annotated[Tensor, ""]:
    b = projected.shape[1]
    place = torch.arange(1, b + 1, dtype=projected.dtype, device=projected.device) / (b + 1)
    quantile = math.sqrt(2) * torch.erfinv(2 * place - 1)
    return (projected.sort(dim=1).values - quantile[:, None]).square().mean()
