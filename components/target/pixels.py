"""The pixels of each patch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, NodeRef, Sizes, component

from ..numeric import wide
from ..tokens import grid_of

__all__ = ["Pixels", "patches_of"]

EPS = 1e-6


@component("target.pixels", detached=True, traits=("rows",))
class Pixels(nn.Module):
    """The pixels of each patch of a picture, row by row: `b c h w` to `b t e`, e = patch * patch * c, float32.

    In a patch they are row by row, the channels of a pixel together. What MAE (He et al. 2022, arXiv:2111.06377,
    section 3) and SimMIM (Xie et al. 2022, arXiv:2111.09886, section 3.4) have told of hidden patches. With `normalize`
    a patch's numbers are less their mean, over the root of their variance, unbiased, plus 1e-6: MAE's better target,
    its table 1d. Raises ValueError where `of` names no encoder of patches.
    """

    class Config(NodeConfig):
        of: NodeRef = Field(description="the encoder whose patches they are")
        normalize: bool = Field(False, description="each patch by its own mean and deviation (MAE)")

    def __init__(self, config: Config, sizes: Sizes, of: nn.Module) -> None:
        super().__init__()
        self.patch, self.normalize = grid_of(of, config.of)[1], config.normalize

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b t e"]:
        patches = patches_of(wide(image.detach()), self.patch)
        if not self.normalize:
            return patches
        return (patches - patches.mean(2, keepdim=True)) / (patches.var(2, keepdim=True) + EPS).sqrt()


def patches_of(image: Annotated[Tensor, "b c h w"], patch: int) -> Annotated[Tensor, "b t e"]:
    """The numbers of each patch, row by row; in it pixel by pixel."""
    squares = image.unflatten(3, (-1, patch)).unflatten(2, (-1, patch))  # b c r y k x
    patches: Tensor = squares.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
    return patches
