"""The positions of a grid that have the nearest counterparts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..tokens import rows_at

__all__ = ["Nearest"]


@component("context.nearest", traits=("rows",))
class Nearest(nn.Module):
    """The `count` positions of each sample with the smallest distance: `b s l d` and `b s l` to `b r d`.

    VICRegL compares those pairs only (Bardes et al. 2022, arXiv:2210.01571, section 3.2: the top-gamma). They stay in
    the order of the grid, row by row, as in the authors' code; r is `count`. Raises ValueError for more than there are.
    """

    class Config(NodeConfig):
        count: PositiveInt = Field(20, description="positions that are kept; VICRegL: 20 of 7 x 7")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.count = config.count

    def forward(
        self, x: Annotated[Tensor, "b s l d"], distance: Annotated[Tensor, "b s l"]
    ) -> Annotated[Tensor, "b r d"]:
        rows, columns = distance.shape[1:]
        if self.count > rows * columns:
            raise ValueError(
                f"a grid of {rows} x {columns} has {rows * columns} positions, fewer than count: {self.count}"
            )
        place = distance.detach().flatten(1).topk(self.count, 1, largest=False).indices.sort(1).values
        return rows_at(x.flatten(1, 2), place)
