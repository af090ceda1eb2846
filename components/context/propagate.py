"""What the positions of a map take from those that are like them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import exact, unit, wide

__all__ = ["Propagate"]


@component("context.propagate", traits=("rows",))
class Propagate(nn.Module):
    """Each position's sum over all of its map: `b r k d` and values `b r k e` to `b r k e`.

    sum_j max(cos(x_i, x_j), 0)^power * v_j / |v_j|: the pixel propagation module of PixPro (Xie et al. 2021,
    arXiv:2011.10043, equations 4 and 5), whose values, g(x), are of a linear layer; they are l2-normalised, as in the
    authors' code. It smooths a map before it is compared, as a predictor stands on one side only. float32.
    """

    class Config(NodeConfig):
        power: PositiveFloat = Field(2.0, ge=1, description="gamma: the larger, the less is taken of what is unlike")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.power = config.power

    def forward(
        self, x: Annotated[Tensor, "b r k d"], value: Annotated[Tensor, "b r k e"]
    ) -> Annotated[Tensor, "b r k e"]:
        with exact(x):
            one = unit(wide(x)).flatten(1, 2)
            likeness = (one @ one.mT).clamp_min(0) ** self.power
            made: Tensor = (likeness @ unit(wide(value)).flatten(1, 2)).unflatten(1, x.shape[1:3])
            return made
