"""Two tiles that lie side by side, and on which side."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

__all__ = ["Neighbours", "SideBySide"]

AROUND = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))  # rows and columns, as they are read


class SideBySide(NamedTuple):
    """A tile, one of the eight around it, and which of them."""

    centre: Annotated[Tensor, "b c h w"]
    neighbour: Annotated[Tensor, "b c h w"]
    label: Annotated[Tensor, "b"]


@component("augment.neighbours", traits=("rows", "labels"))
class Neighbours(nn.Module):
    """A tile that has eight around it, and one of these: `b r k c h w` to `.centre` and `.neighbour`, `b c h w`.

    `.label`, `b`, is where the neighbour lies, an integer from 0, above to the left, to 7, below to the right, row by
    row. The pretext task of Doersch et al. 2015 (arXiv:1505.05192, section 3), which no other method shares: hence a
    part of its own. Gap and jitter are those of `augment.patches`: `size: 110, stride: 144, crop: 96, pad: false` are
    96 px, 48 px apart, moved by up to 7. Any tile off the border may be the centre, all equally likely, and so may its
    neighbours. Grids with less than three rows or columns raise ValueError.
    """

    classes = len(AROUND)

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.grid = (sizes["r"], sizes["k"])
        if min(self.grid) < 3:
            raise ValueError(f"no tile of a grid of {self.grid[0]} x {self.grid[1]} has eight around it: 3 x 3 has one")

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> tuple[Tensor, Tensor]:
        """The place of the centre among those off the border, row by row, and of the neighbour around it, each `b`."""
        places = (self.grid[0] - 2) * (self.grid[1] - 2)
        centre, neighbour = (torch.randint(n, (b,), generator=generator, device=device) for n in (places, self.classes))
        return centre, neighbour

    def forward(self, tiles: Annotated[Tensor, "b r k c h w"], draws: tuple[Tensor, Tensor]) -> SideBySide:
        place, label = draws
        inner, samples = self.grid[1] - 2, torch.arange(len(tiles), device=tiles.device)
        row, column = place.div(inner, rounding_mode="floor") + 1, place % inner + 1
        # The places around a centre are the nine of a square without the fifth.
        around = label + (label >= len(AROUND) // 2).long()
        beside = tiles[samples, row + around.div(3, rounding_mode="floor") - 1, column + around % 3 - 1]
        return SideBySide(tiles[samples, row, column], beside, label)
