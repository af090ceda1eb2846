"""The distance of what is predicted from what is: squared, absolute, or smooth between them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator
from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import wide
from .base import check_positions, mean_where

__all__ = ["Distance"]


@component("objective.distance", traits=("attracts", "mean"))
class Distance(nn.Module):
    """The mean over numbers and samples of how far `b ... d` is from a target `b ... d`.

        l2          (x - y)^2                  MAE, section 3 (He et al. 2022, arXiv:2111.06377)
        l1          |x - y|                    SimMIM, section 3.4 (Xie et al. 2022, arXiv:2111.09886)
        smooth_l1   (x - y)^2 / (2 beta) up to beta, |x - y| - beta / 2 beyond it: data2vec, equation 2 (Baevski et al.
                    2022, arXiv:2202.03555); I-JEPA's code with beta 1

    where: `b ...`, True at the positions of a sample that count: their mean, then the mean over the samples, one of
    which that has none costs 0. float32 inside.
    """

    class Config(NodeConfig):
        norm: Literal["l2", "l1", "smooth_l1"] = Field("l2", description="l2 is squared")
        beta: PositiveFloat = Field(1.0, description="smooth_l1: the distance up to which it is squared")

        @model_validator(mode="after")
        def _beta_has_a_use(self) -> Distance.Config:
            if self.beta != 1.0 and self.norm != "smooth_l1":
                raise ValueError(f"beta is of norm: smooth_l1, and norm is {self.norm}")
            return self

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.norm, self.beta = config.norm, config.beta

    def forward(
        self,
        prediction: Annotated[Tensor, "b ... d"],
        target: Annotated[Tensor, "b ... d"],
        where: Annotated[Tensor, "b ..."] | None = None,
    ) -> Annotated[Tensor, ""]:
        check_positions(prediction, target)
        x, y = wide(prediction), wide(target)
        if self.norm == "l2":
            cost = (x - y).square()
        elif self.norm == "l1":
            cost = (x - y).abs()
        else:
            cost = functional.smooth_l1_loss(x, y, reduction="none", beta=self.beta)
        return mean_where(cost.mean(-1), where)
