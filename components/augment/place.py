"""Operations on where pixels are: flip, rotate, translate. Equal to torchvision's functional transforms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional

from .crop import place
from .operation import Drawn, Normal, Operation, Planes, Probability, between, per_image
from .settings import Angles

__all__ = ["Flip", "Rotate", "Translate"]


class Flip(Operation):
    """Mirrors left to right, or top to bottom."""

    use: Literal["flip"] = "flip"
    spatial: ClassVar[bool] = True

    p: Probability = Field(0.5, description="probability of mirroring")
    axis: Literal["horizontal", "vertical"] = Field("horizontal", description="horizontal: left to right")

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        axis = 2 if self.axis == "horizontal" else 1
        return tuple(plane.flip(axis).where(per_image(drawn[0], plane), plane) for plane in image)


class Rotate(Operation):
    """Rotates around the centre, counter-clockwise; what comes in from outside is black."""

    use: Literal["rotate"] = "rotate"
    numbers: ClassVar[int] = 2
    entries: ClassVar[int] = 2
    spatial: ClassVar[bool] = True
    moves: ClassVar[bool] = True

    p: Probability = Field(1.0, description="probability of rotating")
    degrees: Angles = Field((-30.0, 30.0), description="smallest and largest angle, in degrees")
    interpolation: Literal["bilinear", "nearest"] = Field("bilinear", description="of the pixels")

    def draw(self, uniform: Annotated[Tensor, "b k"], size: tuple[int, int], channels: int, normal: Normal) -> Drawn:
        return uniform[:, 0] < self.p, between(self.degrees, uniform[:, 1])

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        stacked = torch.stack(image, 1)
        grid = _rotated(drawn[1], stacked.shape[2], stacked.shape[3])
        made = functional.grid_sample(stacked, grid, self.interpolation, "zeros", align_corners=False)
        return made.where(per_image(drawn[0], stacked), stacked).unbind(1)


def _rotated(degrees: Annotated[Tensor, "b"], h: int, w: int) -> Annotated[Tensor, "b h w 2"]:
    """Where each pixel of rotated images comes from, columns and rows in -1 to 1."""
    angle = degrees * (math.pi / 180)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    y = (torch.arange(h, device=degrees.device) - (h - 1) / 2)[:, None]
    x = (torch.arange(w, device=degrees.device) - (w - 1) / 2)[None]
    return torch.stack(((cos * x - sin * y) * (2 / w), (sin * x + cos * y) * (2 / h)), 3)


class Translate(Operation):
    """Moves by whole pixels in both directions, as a random crop of a padded image does (AMDIM's code: by 4 px)."""

    use: Literal["translate"] = "translate"
    numbers: ClassVar[int] = 3
    entries: ClassVar[int] = 2
    spatial: ClassVar[bool] = True
    moves: ClassVar[bool] = True

    p: Probability = Field(1.0, description="probability of moving")
    pixels: PositiveInt = Field(4, description="largest move, up, down, left and right, in pixels of the view")
    padding: Literal["reflect", "edge", "black"] = Field("reflect", description="what comes in from outside")

    def too_large(self, size: tuple[int, int]) -> str | None:
        if self.pixels < min(size):
            return None
        where = f"a view of {size[0]} x {size[1]}"
        return f"translate: a move by {self.pixels} pixels leaves nothing of {where}: at most {min(size) - 1}"

    def draw(self, uniform: Annotated[Tensor, "b k"], size: tuple[int, int], channels: int, normal: Normal) -> Drawn:
        room = uniform.new_tensor(2 * self.pixels)
        return uniform[:, 0] < self.p, place(uniform[:, 1:], room) - self.pixels

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        chosen, move = drawn
        h, w = image[0].shape[1:]
        places, inside = zip(*(self._axis(move[:, i], n) for i, n in enumerate((h, w))), strict=True)
        rows, columns = places[0][:, :, None], places[1][:, None]
        seen = inside[0][:, :, None] & inside[1][:, None]
        made = []
        for plane in image:
            moved = plane.take_along_dim(rows, 1).take_along_dim(columns, 2)
            moved = moved * seen if self.padding == "black" else moved
            made.append(moved.where(per_image(chosen, plane), plane))
        return tuple(made)

    def _axis(self, move: Annotated[Tensor, "b"], n: int) -> tuple[Annotated[Tensor, "b n"], Annotated[Tensor, "b n"]]:
        """Where the pixels along an axis come from, and whether that is inside."""
        place = torch.arange(n, device=move.device) - move[:, None].long()
        inside = (place >= 0) & (place < n)
        if self.padding == "reflect":
            place = (n - 1) - ((n - 1) - place.abs()).abs()
        return place.clamp(0, n - 1), inside
