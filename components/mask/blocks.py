"""Patches hidden in blocks, one block after the other until enough are."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from graphssl.component import NodeConfig, NodeRef, Sizes, component

from .base import Masked, check_grid, grid_to_mask, masked

__all__ = ["Block"]

PLACED = 32  # blocks that are tried for each picture, one after the other
IN_VAIN = 10  # of them one after the other that do not fit, after which no more are placed


@component("mask.block", detached=True, traits=("rows", "masks", "uneven"))
class Block(nn.Module):
    """Hides blocks of patches until a share is hidden: image `b c h w` to `kept`, `hidden`, `valid`, `mask`.

    BEiT's masks (Bao et al. 2022, arXiv:2106.08254, algorithm 1) as in its code, whose blocks never hide more than what
    is wanted, so that it may be a little less. `ratio` is one number, or two between which each picture's lies, and
    with `share` so many pictures are masked and the others are not (iBOT, arXiv:2111.07832, section 3.1; DINOv2,
    arXiv:2304.07193). `mask` is `b t`, True where hidden; `hidden` is `b m`, numbers of patches, row by row, where m is
    the most that may be hidden: `valid` is False where a picture has fewer, and repeats one. `kept` is `b s`, s = t -
    m, drawn from those that are not hidden. 32 blocks are tried for each picture, all pictures together. Raises
    ValueError where nothing is hidden, or everything.
    """

    class Config(NodeConfig):
        of: NodeRef = Field(description="the encoder whose patches they are")
        ratio: float | tuple[float, float] = Field(
            0.4,
            description="share of the patches that is hidden, or least and most: BEiT 0.4, iBOT and DINOv2 [0.1, 0.5]",
        )
        smallest: PositiveInt | None = Field(
            None,
            description="patches of the smallest block; null: the square of a third of the grid's side (iBOT); BEiT 16",
        )
        aspect: float = Field(
            0.3, gt=0, le=1, description="a block's smallest height over width; the largest is 1 / aspect"
        )
        share: float = Field(1.0, gt=0, le=1, description="how likely a picture is masked at all: iBOT and DINOv2 0.5")

        @model_validator(mode="after")
        def _a_share(self) -> Block.Config:
            low, high = self.ratios()
            if not 0 < low <= high < 1:
                raise ValueError(
                    f"ratio is {self.ratio}: it lies between 0 and 1, the smaller first where they are two"
                )
            return self

        def ratios(self) -> tuple[float, float]:
            """The least and the most."""
            return self.ratio if isinstance(self.ratio, tuple) else (self.ratio, self.ratio)

    def __init__(self, config: Config, sizes: Sizes, of: nn.Module) -> None:
        super().__init__()
        self.grid, self.patch = grid_to_mask(of, config.of)
        self.share, self.ratios, self.log_aspect = config.share, config.ratios(), math.log(config.aspect)
        self.smallest = config.smallest or max(min(self.grid) // 3, 1) ** 2
        least, self.most = (int(ratio * self.grid[0] * self.grid[1]) for ratio in self.ratios)
        if least == 0:
            raise ValueError(f"a ratio of {self.ratios[0]:g} hides none of {self.grid[0] * self.grid[1]} patches")
        if min(self.grid) < 2:
            raise ValueError(
                f"a block is less high and less wide than the grid, which is {self.grid[0]} x {self.grid[1]}"
            )
        if self.smallest > self.most:
            raise ValueError(f"blocks of {self.smallest} patches and more do not fit into the {self.most} to be hidden")

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Uniform numbers: four for each block, `32 4 b`; two for each picture, `2 b`; one for each patch, `b t`."""
        shapes = ((PLACED, 4, b), (2, b), (b, self.grid[0] * self.grid[1]))
        blocks, pictures, patches = (torch.rand(shape, generator=generator, device=device) for shape in shapes)
        return blocks, pictures, patches

    def forward(self, image: Annotated[Tensor, "b c h w"], draws: tuple[Tensor, Tensor, Tensor]) -> Masked:
        check_grid(image, self.grid, self.patch)
        blocks, (chosen, ratio), chance = draws
        low, high = self.ratios
        t = self.grid[0] * self.grid[1]
        wanted = (t * (low + (high - low) * ratio)).floor().clamp(max=self.most) * (chosen < self.share)
        mask = torch.zeros((len(image), *self.grid), dtype=torch.bool, device=chance.device)
        vain = torch.zeros_like(wanted)
        for area, aspect, top, left in blocks:
            room = wanted - mask.sum((1, 2))
            block = self._block(area, aspect, top, left, room)
            more = (block & ~mask).sum((1, 2))
            fits = (more > 0) & (more <= room) & (vain < IN_VAIN)
            mask = mask | (block & fits[:, None, None])
            vain = torch.where(fits, 0, vain + (room > 0))
        return masked(mask.flatten(1), self.most, chance)

    def _block(
        self, area: Tensor, aspect: Tensor, top: Tensor, left: Tensor, room: Annotated[Tensor, "b"]
    ) -> Annotated[Tensor, "b r k"]:
        """A block for each picture, of which none is there where it would be as high or as wide as the grid."""
        (rows, columns), smallest = self.grid, float(self.smallest)
        patches = smallest + (room - smallest) * area
        ratio = (self.log_aspect * (1 - 2 * aspect)).exp()
        height, width = (patches * ratio).clamp(min=0).sqrt().round(), (patches / ratio).clamp(min=0).sqrt().round()
        first = ((rows - height + 1) * top).floor(), ((columns - width + 1) * left).floor()
        row = torch.arange(rows, device=area.device)
        column = torch.arange(columns, device=area.device)
        down = (row >= first[0][:, None]) & (row < (first[0] + height)[:, None])
        across = (column >= first[1][:, None]) & (column < (first[1] + width)[:, None])
        there = (height < rows) & (width < columns)
        return down[:, :, None] & across[:, None] & there[:, None, None]
