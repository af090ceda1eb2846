"""Images as they are, for methods that need no augmentation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from .colour import normalise
from .crop import resize
from .settings import Size, sides

__all__ = ["Plain"]


@component("augment.plain", traits=("rows",))
class Plain(nn.Module):
    """The image itself, resized and normalised: uint8 RGB to float32, nothing random (Deep InfoMax, CPC)."""

    class Config(NodeConfig):
        size: Size = Field(None, description="in pixels: one number, or [height, width]; null: data.size")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.size = sides(config.size, sizes.data)
        self.mean, self.std = sizes.data.mean, sizes.data.std

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b c y x"]:
        return normalise(resize(image, self.size).unbind(1), self.mean, self.std)
