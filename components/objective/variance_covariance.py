"""Views agree, features vary, and have nothing in common: VICReg's loss."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, model_validator
from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Scheduled, Sizes, component

from ..numeric import exact, wide
from .base import check_positions
from .redundancy import check_batch, off_diagonal

__all__ = ["VarianceCovariance"]

EPS = 1e-4


@component("objective.variance_covariance", traits=("attracts",), formerly=("objective.vicreg",))
class VarianceCovariance(nn.Module):
    """Variance, invariance and covariance of two views' embeddings, weighted.

    VICReg's loss: Bardes et al. 2022, arXiv:2105.04906, equations 1 to 6, with the scales of the authors' code, to
    which the weights 25, 25, 1 belong:

        invariance   mean of (x - y)^2 over samples and features; equation 5 sums over the features
        variance     mean of max(0, 1 - sqrt(var + 1e-4)) over features and the two views; equation 6 adds the views
        covariance   sum of the squared covariances of different features over d, the two views added

    Variances and covariances are unbiased. x, y: `b d`, not normalised; float32 inside. Memory is that of a matrix of
    d d or b b, whichever is smaller. Of positions, `b ... d`, each has a loss of its own, over the batch, and this is
    their mean: VICRegL's local loss (Bardes et al. 2022, arXiv:2210.01571, section 3.2). Raises ValueError for a batch
    of one.
    """

    class Config(NodeConfig):
        invariance: Scheduled[NonNegativeFloat] = Field(25.0, description="weight of the distance between the views")
        variance: Scheduled[NonNegativeFloat] = Field(25.0, description="weight of what deviations lack to 1")
        covariance: Scheduled[NonNegativeFloat] = Field(1.0, description="weight of the squared covariances")

        @model_validator(mode="after")
        def _some(self) -> VarianceCovariance.Config:
            if (self.invariance, self.variance, self.covariance) == (0, 0, 0):
                raise ValueError("invariance, variance and covariance are all 0: the loss would be 0")
            return self

    invariance: float | Tensor
    variance: float | Tensor
    covariance: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.attracts = config.variance == 0  # what is left is 0 where all embeddings are the same
        self.compares = config.invariance != 0

    def forward(self, x: Annotated[Tensor, "b ... d"], y: Annotated[Tensor, "b ... d"]) -> Annotated[Tensor, ""]:
        check_positions(x, y)
        check_batch(x, "the variance-covariance loss")
        with exact(x):
            x, y = _by_position(wide(x)), _by_position(wide(y))
            distance = (x - y).square().mean()
            x, y = x - x.mean(-2, keepdim=True), y - y.mean(-2, keepdim=True)
            lack = (_lack(x) + _lack(y)) / 2
            shared = _shared(x) + _shared(y)
            return self.invariance * distance + self.variance * lack + self.covariance * shared


def _by_position(x: Annotated[Tensor, "b ... d"]) -> Annotated[Tensor, "... b d"]:
    return x if x.ndim == 2 else x.flatten(1, -2).transpose(0, 1)


def _lack(centred: Annotated[Tensor, "... b d"]) -> Annotated[Tensor, ""]:
    """What the standard deviations lack to 1."""
    variance = centred.square().sum(-2) / (centred.shape[-2] - 1)
    return functional.relu(1 - (variance + EPS).sqrt()).mean()


def _shared(centred: Annotated[Tensor, "... b d"]) -> Annotated[Tensor, ""]:
    """The squared covariances of different features."""
    b, d = centred.shape[-2:]
    return off_diagonal(centred, centred) / ((b - 1) ** 2 * centred[..., 0, 0].numel() * d)
