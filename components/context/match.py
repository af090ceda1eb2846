"""Which positions of two maps belong together."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import exact, unit, wide

__all__ = ["Correspondence", "Match"]

SIDES = 4  # of a box
TINY = 1e-12  # so that nothing is divided by 0


class Correspondence(NamedTuple):
    """share: of each position of the other map, what it counts. weight: what the position counts. distance: to the
    nearest position of the other map."""

    share: Annotated[Tensor, "b r k s l"]
    weight: Annotated[Tensor, "b r k"]
    distance: Annotated[Tensor, "b r k"]


@component("context.match", detached=True, traits=("rows",))
class Match(nn.Module):
    """Pairs the positions of one map with those of another, of the same sample: grids `b r k d` and `b s l d`.

    By default a position goes with the nearest one of the other map: `.share`, `b r k s l`, is 1 there and else 0, and
    `.weight`, `b r k`, is 1. `within` pairs it with all that are nearer than this: `.share` is then one over their
    number, or 0 where there are none, and `.weight` their number over its mean in the sample, so that in a mean over
    positions each pair counts alike; 0 in a sample without pairs. `.distance`, `b r k`, is to the nearest. Nothing
    carries a gradient. `context.gather` takes what is paired.

    Distances: `cosine`, 1 - cos, of features: DenseCL (Wang et al. 2021, arXiv:2011.09157, equation 3); `l2` of
    features: VICRegL (Bardes et al. 2022, arXiv:2210.01571, section 3.2); `box` between the centres of boxes,
    `context.cells`, in diagonals of the larger of the two: PixPro (Xie et al. 2021, arXiv:2011.10043, equation 1),
    with `within: 0.7`. Raises ValueError where these are no boxes.
    """

    class Config(NodeConfig):
        by: Literal["cosine", "l2", "box"] = Field("cosine", description="distance of two positions")
        within: PositiveFloat | None = Field(
            None, description="all positions that are nearer than this; null: the nearest, however far"
        )

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.by, self.within = config.by, config.within

    def forward(self, one: Annotated[Tensor, "b r k d"], two: Annotated[Tensor, "b s l d"]) -> Correspondence:
        grid, other = one.shape[1:3], two.shape[1:3]
        with exact(one):
            distance = self._distances(wide(one.detach()).flatten(1, 2), wide(two.detach()).flatten(1, 2))
        nearest = distance.min(2)
        if self.within is None:
            share = (nearest.indices[:, :, None] == torch.arange(distance.shape[2], device=one.device)).to(distance)
            weight = torch.ones_like(nearest.values)
        else:
            near = (distance < self.within).to(distance)
            count = near.sum(2)
            share = near / count.clamp_min(1)[:, :, None]
            weight = count / count.mean(1, keepdim=True).clamp_min(TINY)
        return Correspondence(
            share.unflatten(2, other).unflatten(1, grid), weight.unflatten(1, grid), nearest.values.unflatten(1, grid)
        )

    def _distances(
        self, one: Annotated[Tensor, "b p d"], two: Annotated[Tensor, "b q d"]
    ) -> Annotated[Tensor, "b p q"]:
        if self.by == "cosine":
            return 1 - unit(one) @ unit(two).mT
        if self.by == "l2":
            squares = one.square().sum(2)[:, :, None] + two.square().sum(2)[:, None] - 2 * one @ two.mT
            return squares.clamp_min(0).sqrt()
        if one.shape[2] != SIDES:
            raise ValueError(
                f"by: box is for boxes, of {SIDES} numbers, as context.cells gives; here are {one.shape[2]}"
            )
        ends = (one[:, :, :2] + one[:, :, 2:]) / 2, (two[:, :, :2] + two[:, :, 2:]) / 2
        away = (ends[0][:, :, None] - ends[1][:, None]).square().sum(3).sqrt()
        larger = torch.maximum(_diagonal(one)[:, :, None], _diagonal(two)[:, None])
        return away / larger.clamp_min(TINY)


def _diagonal(box: Annotated[Tensor, "b p 4"]) -> Annotated[Tensor, "b p"]:
    return (box[:, :, 2:] - box[:, :, :2]).square().sum(2).sqrt()
