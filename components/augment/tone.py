"""Operations on an image's own range of values: autocontrast, equalize; equal to torchvision's functional ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from .operation import Drawn, Operation, Planes, Probability, per_image

__all__ = ["AutoContrast", "Equalize"]

LEVELS = 256


class AutoContrast(Operation):
    """Stretches each channel, so that its darkest pixel is 0 and its brightest 1."""

    use: Literal["autocontrast"] = "autocontrast"
    p: Probability = Field(1.0, description="probability of stretching the range")

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        return tuple(_stretched(plane).where(per_image(drawn[0], plane), plane) for plane in image)


class Equalize(Operation):
    """Equalizes each channel's histogram, of 256 values, as PIL does."""

    use: Literal["equalize"] = "equalize"
    p: Probability = Field(1.0, description="probability of equalizing the histogram")

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        return tuple(_equalized(plane).where(per_image(drawn[0], plane), plane) for plane in image)


def _stretched(plane: Annotated[Tensor, "b ..."]) -> Tensor:
    axes = tuple(range(1, plane.dim()))
    low, high = plane.amin(axes, keepdim=True), plane.amax(axes, keepdim=True)
    flat = low == high
    return ((plane - low.masked_fill(flat, 0)) / (high - low).masked_fill(flat, 1)).clamp(0, 1)


def _equalized(plane: Annotated[Tensor, "b ..."]) -> Tensor:
    """A value becomes the share of the pixels below it, in steps of the pixels that are not of the largest value."""
    value = (plane.flatten(1) * (LEVELS - 1e-3)).long()  # as torchvision makes bytes of floats
    count = torch.zeros((len(plane), LEVELS), dtype=torch.int64, device=plane.device)
    count.scatter_add_(1, value, torch.ones_like(value))
    below = count.cumsum(1)
    largest = count.gather(1, below.argmax(1, keepdim=True))
    step = (value.shape[1] - largest).div(LEVELS - 1, rounding_mode="floor")
    table = (below[:, :-1] + step // 2).div(step.clamp_min(1), rounding_mode="floor").clamp(0, LEVELS - 1)
    table = torch.cat([torch.zeros_like(table[:, :1]), table], 1)
    made = torch.where(step == 0, value, table.gather(1, value))
    return (made.to(plane.dtype) / (LEVELS - 1)).view_as(plane)
