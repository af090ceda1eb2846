"""Images as they are, for methods that need no augmentation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from .colour import normalise, planes
from .config import Size, sides
from .crop import resize

__all__ = ["Plain"]


@component("augment.plain")
class Plain(nn.Module):
    """The image itself, resized and normalised: uint8 RGB to float32, nothing random (Deep InfoMax, CPC)."""

    class Config(NodeConfig):
        size: Size = Field(None, description="in pixels: one number, or [height, width]; null: data.size")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.size = sides(config.size, sizes.data)
        self.mean, self.std = sizes.data.mean, sizes.data.std

    def forward(self, image: Annotated[Tensor, "b 3 h w"]) -> Annotated[Tensor, "b 3 y x"]:
        return normalise(planes(resize(image, self.size)), self.mean, self.std)
