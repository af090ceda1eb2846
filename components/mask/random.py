"""Patches hidden at random, each as likely as any other."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, NodeRef, Sizes, component

from .base import Masked, check_grid, grid_to_mask, masked

__all__ = ["Random"]


@component("mask.random", detached=True, traits=("rows", "masks"))
class Random(nn.Module):
    """Hides a share of the patches, other ones of each picture: image `b c h w` to `kept`, `hidden`, `valid`, `mask`.

    MAE's masks (He et al. 2022, arXiv:2111.06377, section 3): of t patches int(t * (1 - ratio)) are kept. With `cell`
    squares of cell x cell patches are kept or hidden as one, and ceil(ratio * squares) are hidden: SimMIM's (Xie et al.
    2022, arXiv:2111.09886, section 3.2, squares of 32 px). `kept` is `b s`, `hidden` `b m`, ascending numbers of
    patches, row by row, s + m = t; `mask` is `b t`, True where hidden; `valid` is True. Raises ValueError where nothing
    is hidden, or everything.
    """

    class Config(NodeConfig):
        of: NodeRef = Field(description="the encoder whose patches they are")
        ratio: float = Field(0.75, gt=0, lt=1, description="share of the patches that is hidden: MAE 0.75, SimMIM 0.6")
        cell: PositiveInt = Field(1, description="patches on a side of the squares that are hidden as one")

    def __init__(self, config: Config, sizes: Sizes, of: nn.Module) -> None:
        super().__init__()
        (self.grid, self.patch), self.cell = grid_to_mask(of, config.of), config.cell
        rows, columns = self.grid
        if rows % self.cell or columns % self.cell:
            raise ValueError(f"a grid of {rows} x {columns} patches does not part into squares of {self.cell}")
        squares = rows * columns // self.cell**2
        shown = int(squares * (1 - config.ratio))
        self.hidden = squares - shown if self.cell == 1 else math.ceil(squares * config.ratio)
        if not 0 < self.hidden < squares:
            what, kind = "none" if self.hidden == 0 else "all", "squares" if self.cell > 1 else "patches"
            raise ValueError(f"a ratio of {config.ratio:g} hides {what} of {squares} {kind}")

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """A uniform number for each square of each picture, `b n`: the largest are hidden."""
        rows, columns = (n // self.cell for n in self.grid)
        return torch.rand((b, rows * columns), generator=generator, device=device)

    def forward(self, image: Annotated[Tensor, "b c h w"], draws: Tensor) -> Masked:
        check_grid(image, self.grid, self.patch)
        rows, columns = (n // self.cell for n in self.grid)
        rank = draws.argsort(1).argsort(1)
        mask = (rank >= rows * columns - self.hidden).unflatten(1, (rows, columns))
        mask = mask.repeat_interleave(self.cell, 1).repeat_interleave(self.cell, 2).flatten(1)
        return masked(mask, self.hidden * self.cell**2)
