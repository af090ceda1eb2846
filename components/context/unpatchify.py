"""A picture from its patches."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, NodeRef, Sizes, component

from ..tokens import grid_of

__all__ = ["Unpatchify"]


@component("context.unpatchify", traits=("rows",))
class Unpatchify(nn.Module):
    """The picture that patches are: all of them, row by row, `b t e` to `b c h w`, e = patch * patch * c.

    The inverse of target.pixels without `normalize`: what a masked autoencoder tells of all patches as a picture again,
    which an encoder may see (He et al. 2022, arXiv:2111.06377, figure 1). Raises ValueError where `of` names no encoder
    of patches, where t is not the number of its patches, and where patch * patch does not divide e.
    """

    class Config(NodeConfig):
        of: NodeRef = Field(description="the encoder whose patches they are")

    def __init__(self, config: Config, sizes: Sizes, of: nn.Module) -> None:
        super().__init__()
        (self.rows, self.columns), self.patch = grid_of(of, config.of)
        self.of = config.of

    def forward(self, patches: Annotated[Tensor, "b t e"]) -> Annotated[Tensor, "b c h w"]:
        count, numbers, pixels = *patches.shape[1:], self.patch**2
        if count != self.rows * self.columns:
            raise ValueError(
                f"{count} patches are no picture: '{self.of}' has {self.rows} x {self.columns}; it takes all of them"
            )
        if numbers % pixels:
            raise ValueError(
                f"{numbers} numbers of a patch are no pixels: '{self.of}' has patches of {self.patch} x {self.patch} px"
            )
        squares = patches.unflatten(2, (self.patch, self.patch, -1)).unflatten(1, (self.rows, self.columns))
        image: Tensor = squares.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)
        return image
