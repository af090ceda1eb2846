"""Operations that take something away: erase, noise. Equal to torchvision's functional transforms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from .crop import TRIES, first_that_fits, place
from .operation import Drawn, Normal, Operation, Planes, Probability, between, per_image
from .settings import Area, Span

__all__ = ["Erase", "Noise"]


class Erase(Operation):
    """Erases a random rectangle, as torchvision's `RandomErasing` draws it (Zhong et al. 2020, arXiv:1708.04896)."""

    use: Literal["erase"] = "erase"
    numbers: ClassVar[int] = 3 + 2 * TRIES
    entries: ClassVar[int] = 3
    spatial: ClassVar[bool] = True

    p: Probability = Field(1.0, description="probability of erasing")
    area: Area = Field((0.02, 0.33), description="smallest and largest share of the view's area")
    ratio: Span = Field((0.3, 3.3), description="smallest and largest height over width")
    value: Literal["mean", "noise"] | float = Field(
        "mean", description="what is put there: the data's mean, normal noise around it, or a number, where white is 1"
    )

    def draw(self, uniform: Annotated[Tensor, "b k"], size: tuple[int, int], channels: int, normal: Normal) -> Drawn:
        """Whether it is erased; top, left, height and width in pixels, `b 4`; and the noise."""
        chance, corner, area, ratio = uniform.split((1, 2, TRIES, TRIES), 1)
        pixels = math.prod(size) * (self.area[0] + (self.area[1] - self.area[0]) * area)
        low, high = (math.log(r) for r in self.ratio)
        aspect = torch.exp(low + (high - low) * ratio)
        heights, widths = torch.round(torch.sqrt(pixels * aspect)), torch.round(torch.sqrt(pixels / aspect))
        fits = (heights < size[0]) & (widths < size[1])
        first, found = first_that_fits(fits)
        sides = torch.cat((heights.gather(1, first), widths.gather(1, first)), 1)
        start = place(corner, torch.tensor(size, device=sides.device) - sides)
        noise = normal((channels, *size)) if self.value == "noise" else normal((0,))
        return (chance[:, 0] < self.p) & found, torch.cat((start, sides), 1), noise

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        chosen, box, noise = drawn
        top, left, height, width = (entry[:, None] for entry in box.unbind(1))
        y, x = (torch.arange(n, device=box.device) for n in image[0].shape[1:])
        rows, columns = (y >= top) & (y < top + height), (x >= left) & (x < left + width)
        there = rows[:, :, None] & columns[:, None] & per_image(chosen, image[0])
        made = []
        for i, (plane, m, s) in enumerate(zip(image, mean, std, strict=True)):
            if self.value == "noise":
                made.append(torch.where(there, m + s * noise[:, i], plane))
            else:
                made.append(plane.masked_fill(there, m if isinstance(self.value, str) else self.value))
        return tuple(made)


class Noise(Operation):
    """Adds normal noise, and cuts the result to 0 to 1."""

    use: Literal["noise"] = "noise"
    numbers: ClassVar[int] = 2
    entries: ClassVar[int] = 3
    spatial: ClassVar[bool] = True

    p: Probability = Field(1.0, description="probability of noise")
    sigma: Span = Field((0.1, 0.1), description="smallest and largest standard deviation, where white is 1")

    def draw(self, uniform: Annotated[Tensor, "b k"], size: tuple[int, int], channels: int, normal: Normal) -> Drawn:
        return uniform[:, 0] < self.p, between(self.sigma, uniform[:, 1]), normal((channels, *size))

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        chosen, sigma, noise = drawn
        size = per_image(sigma * chosen, image[0])
        return tuple(
            (plane + size * noise[:, i]).clamp(0, 1).where(per_image(chosen, plane), plane)
            for i, plane in enumerate(image)
        )
