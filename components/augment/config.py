"""The config that all recipes share; each sets its own defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, NonNegativeFloat, Tag, model_validator

from graphssl.component import DataFacts, NodeConfig

from .view import View

__all__ = ["PerView", "RecipeConfig", "Size", "Span", "sides"]

PROBABILITIES = ("flip", "jitter", "grey", "blur", "solarize")


def _ascending(span: tuple[float, ...]) -> tuple[float, ...]:
    if len(span) != 2:
        raise ValueError(f"a range is two numbers, [smallest, largest], and not {len(span)}")
    if span[0] > span[1]:
        raise ValueError(f"a range is [smallest, largest], and {span[0]:g} is above {span[1]:g}")
    return span


def _kind(value: Any) -> str:
    return "each" if isinstance(value, list | tuple) else "all"


Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Span = Annotated[tuple[Positive, ...], AfterValidator(_ascending)]
Area = Annotated[tuple[Share, ...], AfterValidator(_ascending)]
PerView = Annotated[
    Annotated[Probability, Tag("all")] | Annotated[tuple[Probability, ...], Tag("each")], Discriminator(_kind)
]
Pixels = Annotated[int, Field(ge=4, le=4096)]
Sides = tuple[Pixels, Pixels]
Size = Annotated[Annotated[Pixels, Tag("all")] | Annotated[Sides, Tag("each")], Discriminator(_kind)] | None

# Descriptions go with the types, so that a recipe can change a default and nothing else.
Crop = Annotated[Area, Field(description="smallest and largest share of the image's area that is cut out")]
Ratio = Annotated[Span, Field(description="smallest and largest width over height of what is cut out")]
Flip = Annotated[PerView, Field(description="probability of mirroring left to right, for all or for each view")]
Jitter = Annotated[
    PerView, Field(description="probability of colour jitter, in random order, for all or for each view")
]
Grey = Annotated[PerView, Field(description="probability of shades of grey, for all or for each view")]
Blur = Annotated[
    PerView, Field(description="probability of Gaussian blur, its kernel a tenth of the view, for all or for each view")
]
Solarize = Annotated[
    PerView, Field(description="probability of inverting what is at least 128 of 255, for all or for each view")
]
Amount = Annotated[NonNegativeFloat, Field(description="jitter: factors from 1 - amount (at least 0) to 1 + amount")]
Hue = Annotated[NonNegativeFloat, Field(description="jitter: largest shift of the hue, in turns")]


def sides(size: Size, data: DataFacts) -> tuple[int, int]:
    """Height and width that `size` says."""
    if size is None:
        return data.height, data.width
    return (size, size) if isinstance(size, int) else size


class RecipeConfig(NodeConfig):
    """The settings of random views; a probability is one number, or a list of one for each. Defaults are SimCLR's."""

    size: Size = Field(None, description="of a view in pixels: one number, or [height, width]; null: data.size")
    crop: Crop = (0.08, 1.0)
    ratio: Ratio = (3 / 4, 4 / 3)
    flip: Flip = 0.5
    jitter: Jitter = 0.8
    strength: NonNegativeFloat = Field(1.0, description="jitter: factor on the four amounts")
    brightness: Amount = 0.8
    contrast: Amount = 0.8
    saturation: Amount = 0.8
    hue: Hue = 0.2
    grey: Grey = 0.2
    blur: Blur = 0.5
    sigma: Span = Field((0.1, 2.0), description="smallest and largest sigma of the blur, in pixels of the view")
    solarize: Solarize = 0.0

    @property
    def total(self) -> int:
        """The number of views."""
        raise NotImplementedError

    def each(self, value: float | tuple[float, ...]) -> tuple[float, ...]:
        """A probability for each view."""
        return value if isinstance(value, tuple) else (value,) * self.total

    @model_validator(mode="after")
    def _consistent(self) -> RecipeConfig:
        for name in PROBABILITIES:
            value = getattr(self, name)
            if len(self.each(value)) != self.total:
                raise ValueError(
                    f"{name} is a list of {len(value)}, and the number of views is {self.total}; "
                    "it is one number, or a list of one for each view"
                )
        if self.hue * self.strength > 0.5:
            raise ValueError(f"hue times strength is {self.hue * self.strength:g}; it is at most 0.5, half a turn")
        return self

    def view(self, number: int, data: DataFacts, changes: Mapping[str, Any]) -> View:
        """The settings of a view, by its number; `changes` replaces some."""
        amounts = (self.brightness, self.contrast, self.saturation, self.hue)
        settings: dict[str, Any] = {
            "size": sides(self.size, data),
            "crop": self.crop, "ratio": self.ratio, "sigma": self.sigma,
            "amounts": tuple(self.strength * a for a in amounts),
            "mean": data.mean, "std": data.std,
        }  # fmt: skip
        for name in PROBABILITIES:
            settings[name] = self.each(getattr(self, name))[number]
        return View(**{**settings, **changes})
