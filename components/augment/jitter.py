"""Colour jitter: brightness, contrast, saturation and hue, in each image's own random order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from .colour import BLENDS, Style, arrange, jitter
from .operation import Drawn, Normal, Operation, Planes, Probability
from .settings import Amount, Hue

__all__ = ["AMOUNTS", "STYLE", "Jitter"]

STYLE = (
    "jitter: torchvision's; or that of simclr's code, contrast around each channel's mean and saturation in HSV; or of "
    "byol's, which besides adds to the brightness, by up to the amount"
)
AMOUNTS = ("brightness", "contrast", "saturation", "hue")


class Jitter(Operation):
    """torchvision's `ColorJitter`. A factor is 1 - amount to 1 + amount, at least 0; the hue's shift up to the amount.

    Of images that are not RGB there are brightness and contrast, around the mean of all channels.
    """

    use: Literal["jitter"] = "jitter"
    numbers: ClassVar[int] = 9
    entries: ClassVar[int] = 2

    p: Probability = Field(1.0, description="probability of colour jitter, in random order")
    brightness: Amount = 0.0
    contrast: Amount = 0.0
    saturation: Amount = 0.0
    hue: Hue = 0.0
    style: Style = Field("torchvision", description=STYLE)

    @model_validator(mode="after")
    def _half_a_turn(self) -> Jitter:
        if self.hue > 0.5:
            raise ValueError(f"hue is {self.hue:g}; it is at most 0.5, half a turn")
        return self

    @property
    def amounts(self) -> tuple[float, float, float, float]:
        return self.brightness, self.contrast, self.saturation, self.hue

    @property
    def colours(self) -> bool:
        return self.saturation > 0 or self.hue > 0 or self.style != "torchvision"

    @property
    def idle(self) -> bool:
        return self.p == 0 or not any(self.amounts)

    def draw(self, uniform: Annotated[Tensor, "b k"], size: tuple[int, int], channels: int, normal: Normal) -> Drawn:
        """The slots and turns of `colour.jitter`; where an image is not chosen they change nothing."""
        chance, factors, order = uniform.split((1, 4, 4), 1)
        factors = _factors(factors, chance[:, 0] < self.p, self.amounts)
        rank = order.argsort(1).argsort(1)
        return arrange(factors[:, :BLENDS], rank, self.hue > 0), factors[:, BLENDS]

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        slots, turns = drawn
        return jitter(image, slots, turns, self.style)


def _factors(
    uniform: Annotated[Tensor, "b 4"], jittered: Annotated[Tensor, "b"], amounts: Sequence[float]
) -> Annotated[Tensor, "b 4"]:
    """Factors around 1, and a shift around 0, where jittered."""
    columns = []
    for i, (u, amount) in enumerate(zip(uniform.unbind(1), amounts, strict=True)):
        neutral = 1.0 if i < BLENDS else 0.0
        low = max(neutral - amount, 0.0) if i < BLENDS else -amount
        columns.append((low + (neutral + amount - low) * u).masked_fill(~jittered, neutral))
    return torch.stack(columns, 1)
