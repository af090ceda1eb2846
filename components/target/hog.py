"""Histograms of oriented gradients of each patch."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, NodeRef, Sizes, component

from ..numeric import wide
from ..tokens import grid_of

__all__ = ["HOG"]


@component("target.hog", detached=True, traits=("rows",))
class HOG(nn.Module):
    """Histograms of oriented gradients of each patch, row by row: `b c h w` to `b t e`, float32.

    What MaskFeat has told of hidden patches (Wei et al. 2022, arXiv:2112.09133, section 3.1; Dalal and Triggs 2005),
    with the steps of its code: gradients of each channel by 3x3 Sobel filters, borders reflected; of `bins`
    orientations over half a turn each pixel adds its gradient's length to one, times a Gaussian over the patch whose
    deviation is half the patch; sums over cells of patch / cells px; each cell's histogram scaled to length 1. e = c *
    bins * cells * cells: 108 in the paper. Raises ValueError where `of` names no encoder of patches, and where cells do
    not part one.
    """

    class Config(NodeConfig):
        of: NodeRef = Field(description="the encoder whose patches they are")
        bins: PositiveInt = Field(9, description="orientations")
        cells: PositiveInt = Field(2, description="cells on each side of a patch")

    window: Tensor
    filters: Tensor

    def __init__(self, config: Config, sizes: Sizes, of: nn.Module) -> None:
        super().__init__()
        self.patch, self.bins, self.cells = grid_of(of, config.of)[1], config.bins, config.cells
        if self.patch % self.cells:
            raise ValueError(f"a patch of {self.patch} px does not part into {self.cells} cells a side")
        place = (torch.arange(self.patch) - (self.patch - 1) / 2) / max(self.patch / 2, 0.5)
        gauss = (-0.5 * place.square()).exp()
        across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        self.register_buffer("window", gauss[:, None] * gauss / gauss.sum() ** 2, persistent=False)
        self.register_buffer("filters", torch.stack((across, across.T))[:, None], persistent=False)

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b t e"]:
        b, c, h, w = image.shape
        padded = functional.pad(wide(image.detach()), (1, 1, 1, 1), mode="reflect").flatten(0, 1)[:, None]
        across, down = functional.conv2d(padded, self.filters.to(padded.dtype)).unbind(1)
        length = (across.square() + down.square()).sqrt()
        length = length * self.window.to(length.dtype).repeat(h // self.patch, w // self.patch)
        place = (torch.atan2(across, down) / math.pi * self.bins).floor().long() % self.bins
        cell = self.patch // self.cells
        bins = torch.arange(self.bins, device=image.device)
        sums = (length[:, None] * (place[:, None] == bins[:, None, None])).unflatten(3, (-1, cell)).sum(4)
        sums = functional.normalize(sums.unflatten(2, (-1, cell)).sum(3), dim=1)  # (b c) bins rows columns
        cells = sums.unflatten(3, (-1, self.cells)).unflatten(2, (-1, self.cells)).unflatten(0, (b, c))
        patches: Tensor = cells.permute(0, 3, 5, 1, 2, 4, 6).flatten(3).flatten(1, 2)
        return patches
