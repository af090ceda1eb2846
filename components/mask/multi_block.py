"""Several blocks to be told, from a large one without them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, NamedTuple

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from graphssl.component import NodeConfig, NodeRef, Sizes, component

from .base import check_grid, grid_to_mask, numbers_of, some_of

__all__ = ["MaskedBlocks", "MultiBlock"]

TRIES = 8  # places of the context's block, of which the first is taken that leaves enough
STEPS = 1000  # at which block sizes are looked at


class MaskedBlocks(NamedTuple):
    """As `Masked`, with the hidden patches block by block."""

    kept: Annotated[Tensor, "b s"]
    hidden: Annotated[tuple[Tensor, ...], "b m"]
    valid: Annotated[tuple[Tensor, ...], "b m"]
    mask: Annotated[Tensor, "b t"]


@component("mask.multi_block", detached=True, traits=("rows", "masks", "uneven"))
class MultiBlock(nn.Module):
    """Hides several blocks, and keeps what of a large one is in none: `b c h w` to `kept`, `hidden`, `valid`, `mask`.

    I-JEPA's masks (Assran et al. 2023, arXiv:2301.08243, section 3 and figure 4) as in its code: all blocks of a step
    are of one size, whose share of the picture and aspect ratio one number says; the context's is a square; no block is
    as high or as wide as the grid. `hidden` and `valid` are families of `blocks` views, `b m`: ascending numbers of
    patches, row by row, m the most that a block may have; where it has fewer, `valid` is False and one is repeated.
    `mask` is `b t`, True in any of them. `kept` is `b s`, s = int(keep * t), drawn from the patches of the context's
    block that no other has; where there are fewer some are repeated. The code keeps as many as the picture of the
    batch with the fewest has, its first ones. Raises ValueError for a grid that is too
    small, and where blocks may cover all of the context.
    """

    class Config(NodeConfig):
        of: NodeRef = Field(description="the encoder whose patches they are")
        blocks: PositiveInt = Field(4, le=16, description="how many are hidden, and told one by one")
        scale: tuple[float, float] = Field(
            (0.15, 0.2), description="smallest and largest share of the picture of a block"
        )
        aspect: tuple[float, float] = Field(
            (0.75, 1.5), description="smallest and largest height over width of a block"
        )
        context: tuple[float, float] = Field(
            (0.85, 1.0), description="smallest and largest share of the context's block"
        )
        keep: float = Field(0.25, gt=0, lt=1, description="share of the patches that is kept, of those in the context")

        @model_validator(mode="after")
        def _ranges(self) -> MultiBlock.Config:
            for name, most in (("scale", 1.0), ("aspect", math.inf), ("context", 1.0)):
                low, high = getattr(self, name)
                if not 0 < low <= high <= most:
                    raise ValueError(f"{name} is {[low, high]}: the smaller first, above 0{' and to 1' * (most == 1)}")
            return self

    def __init__(self, config: Config, sizes: Sizes, of: nn.Module) -> None:
        super().__init__()
        self.grid, self.patch = grid_to_mask(of, config.of)
        self.blocks, self.scale, self.aspect, self.context = config.blocks, config.scale, config.aspect, config.context
        rows, columns = self.grid
        self.keep = int(config.keep * rows * columns)
        share = torch.linspace(0, 1, STEPS, device="cpu")
        heights, widths = self._size(share, self.scale, self.aspect)
        self.most = int((heights * widths).max())
        contexts = torch.stack(self._size(share, self.context, (1.0, 1.0))).prod(0)
        seen, largest = int(contexts.min()), int(contexts.max())
        if min(rows, columns) < 2 or self.keep == 0 or not (heights * widths).min() > 0:
            raise ValueError(f"a grid of {rows} x {columns} patches is too small for such blocks")
        if self.keep > largest:
            raise ValueError(
                f"keep: {config.keep:g} is {self.keep} of {rows * columns} patches, and a context has {largest} at most"
            )
        if self.blocks * self.most >= seen:
            raise ValueError(
                f"{self.blocks} blocks of up to {self.most} patches may cover all {seen} of the context: "
                "take fewer or smaller ones"
            )

    @staticmethod
    def views(config: Config) -> Mapping[str, int]:
        """As many as there are blocks."""
        return {"hidden": config.blocks, "valid": config.blocks}

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> tuple[Tensor, ...]:
        """Uniform numbers: the sizes of a step, the same for each picture, `2 b`; places, `2 n b`; patches, `b t`."""
        shapes = ((2, 1), (2, self.blocks + TRIES, b), (b, self.grid[0] * self.grid[1]))
        sizes, places, patches = (torch.rand(shape, generator=generator, device=device) for shape in shapes)
        return sizes.expand(-1, b).contiguous(), places, patches

    def forward(self, image: Annotated[Tensor, "b c h w"], draws: tuple[Tensor, Tensor, Tensor]) -> MaskedBlocks:
        check_grid(image, self.grid, self.patch)
        (size, of_context), (tops, lefts), chance = draws
        height, width = self._size(size, self.scale, self.aspect)
        n = self.blocks
        blocks = self._boxes(height, width, tops[:n], lefts[:n])
        mask = blocks.any(0)
        context = self._boxes(*self._size(of_context, self.context, (1.0, 1.0)), tops[n:], lefts[n:]) & ~mask
        enough = context.sum(2) >= self.keep
        best = torch.where(enough.any(0), enough.int().argmax(0), context.sum(2).argmax(0))
        seen = context.gather(0, best[None, :, None].expand(1, -1, mask.shape[1]))[0]
        hidden, valid = numbers_of(blocks, self.most)
        return MaskedBlocks(some_of(seen, self.keep, chance), hidden.unbind(0), valid.unbind(0), mask)

    def _size(self, number: Tensor, scale: tuple[float, float], aspect: tuple[float, float]) -> tuple[Tensor, Tensor]:
        """Height and width of blocks in patches, of which one number says share and aspect ratio."""
        rows, columns = self.grid
        patches = (rows * columns * (scale[0] + number * (scale[1] - scale[0]))).floor()
        ratio = aspect[0] + number * (aspect[1] - aspect[0])
        return (patches * ratio).sqrt().round().clamp(max=rows - 1), (patches / ratio).sqrt().round().clamp(
            max=columns - 1
        )

    def _boxes(self, height: Tensor, width: Tensor, top: Tensor, left: Tensor) -> Annotated[Tensor, "n b t"]:
        """Blocks of such sizes, `b`, at places that numbers `n b` say; the last row and column begin none."""
        rows, columns = self.grid
        top, left = ((rows - height) * top).floor()[..., None], ((columns - width) * left).floor()[..., None]
        row, column = torch.arange(rows, device=top.device), torch.arange(columns, device=top.device)
        down = (row >= top) & (row < top + height[:, None])
        across = (column >= left) & (column < left + width[:, None])
        return (down[..., None] & across[..., None, :]).flatten(2)
