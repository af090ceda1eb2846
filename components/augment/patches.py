"""An image as a grid of overlapping patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Signature, signature_of

from .base import size_text

__all__ = ["Patches"]


@component("augment.patches", traits=("rows",))
class Patches(nn.Module):
    """Overlapping patches on a grid: float images `b c y x` to `b r k c h w`; without `crop` a view, not a copy.

    CPC (van den Oord et al. 2018, arXiv:1807.03748, section 3.2) has 7 x 7 patches of 64 px with a stride of 32 of
    images of 256 px, of each a random part of 60 px, padded to 64 again: `crop: 60`. Images of 32 px have as many
    with `size: 8, stride: 4`. The padding is 0, the data's mean in normalised images, evenly around the part; in
    eval mode the part is the patch's middle. With `pad: false` the parts are the patches: tiles anywhere in the cells
    of a grid, as jigsaw puzzles have them (Noroozi and Favaro 2016, arXiv:1603.09246, section 4.2), of images of 225
    px `size: 75, stride: 75, crop: 64`. Pixels that no whole patch reaches, right and below, are left out. Images of
    another size than the node was built for raise ValueError.
    """

    class Config(NodeConfig):
        size: PositiveInt = Field(64, description="height and width of a patch in px")
        stride: PositiveInt = Field(32, description="px from one patch to the next; half of size overlaps by half")
        crop: PositiveInt | None = Field(
            None, description="height and width in px of the random part of a patch that is shown; null: all of it"
        )
        pad: bool = Field(True, description="zeros around that part, so that patches keep their size")

        @model_validator(mode="after")
        def _crop_fits(self) -> Patches.Config:
            if self.crop is not None and self.crop > self.size:
                raise ValueError(f"crop is {self.crop}, and a patch is {self.size} px")
            return self

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.size, self.stride, self.pad = config.size, config.stride, config.pad
        self.crop = config.size if config.crop is None else config.crop
        self.image = (sizes["y"], sizes["x"])
        if min(self.image) < self.size:
            raise ValueError(
                f"images of {size_text(self.image)} px have no patch of {self.size} px; size: 8, stride: 4 are CPC's "
                "7 x 7 at 32 px"
            )
        self.grid = [(side - self.size) // self.stride + 1 for side in self.image]

    @classmethod
    def signature(cls, config: Config, of: Mapping[str, Signature]) -> Signature:
        """Only crops are random."""
        return replace(signature_of(cls.forward), draws=config.crop is not None)

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Top and left of the part that is shown of each patch, in px: `b r k 2`."""
        shape = (b, *self.grid, 2)
        return torch.randint(self.size - self.crop + 1, shape, generator=generator, device=device)

    def forward(
        self, image: Annotated[Tensor, "b c y x"], draws: Tensor | None = None
    ) -> Annotated[Tensor, "b r k c h w"]:
        if tuple(image.shape[2:]) != self.image:
            raise ValueError(f"the images are {size_text(image.shape[2:])}, and were to be {size_text(self.image)} px")
        patches = image.unfold(2, self.size, self.stride).unfold(3, self.size, self.stride).permute(0, 2, 3, 1, 4, 5)
        if self.crop == self.size:
            return patches
        before = (self.size - self.crop) // 2
        after = self.size - self.crop - before
        if draws is None or not self.training:
            part = patches.narrow(4, before, self.crop).narrow(5, before, self.crop)
        else:
            rows, columns = (draws[..., None] + torch.arange(self.crop, device=image.device)).unbind(3)
            part = torch.take_along_dim(patches, rows[:, :, :, None, :, None], 4)
            part = torch.take_along_dim(part, columns[:, :, :, None, None, :], 5)
        if not self.pad:
            return part
        return functional.pad(part, (before, after, before, after))
