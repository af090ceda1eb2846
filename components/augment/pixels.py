"""Operations on each pixel by itself: grey, solarise, posterize, invert; equal to torchvision's functional ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from .colour import solarise, to_grey
from .operation import Drawn, Operation, Planes, Probability, per_image

__all__ = ["Grey", "Invert", "Posterize", "Solarize"]


class Grey(Operation):
    """Shades of grey: the luma of ITU-R BT.601 in all three channels."""

    use: Literal["grey"] = "grey"
    p: Probability = Field(1.0, description="probability of shades of grey")

    @property
    def colours(self) -> bool:
        return True

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        red, green, blue = image
        return to_grey((red, green, blue), drawn[0])


class Solarize(Operation):
    """Inverts what is at least `threshold`, 0 to 1."""

    use: Literal["solarize"] = "solarize"
    p: Probability = Field(1.0, description="probability of inverting what is bright")
    threshold: Probability = Field(0.5, description="what is at least this is inverted, where white is 1")

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        if self.threshold == 0.5:
            return solarise(image, drawn[0])
        return tuple(_where(drawn, (plane >= self.threshold), 1 - plane, plane) for plane in image)


class Posterize(Operation):
    """Leaves each channel 2 ** bits values."""

    use: Literal["posterize"] = "posterize"
    p: Probability = Field(1.0, description="probability of fewer values")
    bits: Annotated[int, Field(ge=1, le=8)] = Field(4, description="bits that a channel keeps")

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        levels = 1 << self.bits
        return tuple(
            _where(drawn, None, (plane * levels).floor().clamp(0, levels - 1) * (1 / levels), plane) for plane in image
        )


class Invert(Operation):
    """The negative: 1 - x."""

    use: Literal["invert"] = "invert"
    p: Probability = Field(1.0, description="probability of the negative")

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        return tuple(_where(drawn, None, 1 - plane, plane) for plane in image)


def _where(drawn: Drawn, also: Tensor | None, changed: Tensor, plane: Tensor) -> Tensor:
    chosen = per_image(drawn[0], plane)
    return changed.where(chosen if also is None else chosen & also, plane)
