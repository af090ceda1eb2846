"""Views turned by quarters, and by how many."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from .base import size_text

__all__ = ["Rotate", "Turned"]

QUARTERS = 4


class Turned(NamedTuple):
    """The turned views, and how many quarters each is turned by."""

    view: Annotated[tuple[Tensor, ...], "b c y x"]
    label: Annotated[tuple[Tensor, ...], "b"]


@component("augment.rotate", traits=("rows", "labels"))
class Rotate(nn.Module):
    """A view turned by 0, 90, 180 or 270 degrees: `b c y x` to `.view`, `b c y x`, and `.label`, `b`, 0 to 3.

    The pretext task of Gidaris et al. 2018 (arXiv:1803.07728, section 3.1). Both are families of `views` members, each
    of an image turned otherwise; with 4, as in the paper, every image is there in all its turns, in a random order. The
    label counts quarters against the clock, as `torch.rot90` does, and is an integer. For squares; other views raise
    ValueError.
    """

    classes = QUARTERS

    class Config(NodeConfig):
        views: PositiveInt = Field(4, le=QUARTERS, description="turned views of each, no two alike")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.count = config.views
        if sizes["y"] != sizes["x"]:
            raise ValueError(f"a quarter turn needs squares, and these views are {size_text((sizes['y'], sizes['x']))}")

    @staticmethod
    def views(config: Config) -> dict[str, int]:
        return {"view": config.views, "label": config.views}

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """The turns of each view, `b v`: quarters, none twice in a row."""
        return torch.rand((b, QUARTERS), generator=generator, device=device).argsort(1)[:, : self.count]

    def forward(self, image: Annotated[Tensor, "b c y x"], draws: Tensor) -> Turned:
        labels = draws.unbind(1)
        return Turned(tuple(_turned(image, label) for label in labels), labels)


def _turned(image: Annotated[Tensor, "b c y x"], quarters: Annotated[Tensor, "b"]) -> Tensor:
    """A half turn where there are two quarters or more, and a quarter where their number is odd."""
    half, quarter = ((quarters >= 2).view(-1, 1, 1, 1), (quarters % 2 == 1).view(-1, 1, 1, 1))
    image = torch.where(half, image.flip((2, 3)), image)
    return torch.where(quarter, image.rot90(1, (2, 3)), image)
