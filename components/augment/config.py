"""The config that all recipes share; each sets its own defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, NonNegativeFloat, model_validator

from graphssl.component import DataFacts, NodeConfig

from . import operations
from .blur import radius_for
from .boxes import Boxes
from .colour import Style
from .jitter import AMOUNTS, STYLE
from .settings import Amount, Area, Hue, PerView, Size, Span, sides
from .view import RandomCrop, View

__all__ = ["Blur", "Crop", "Flip", "Grey", "Jitter", "Ratio", "RecipeConfig", "Solarize"]

WHOLE = 3  # sigmas, outside of which 0.3 % of a normal distribution lies
PROBABILITIES = ("flip", "jitter", "grey", "blur", "solarize")


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


class RecipeConfig(NodeConfig):
    """The settings of random views; a probability is one number, or a list of one for each. Defaults are SimCLR's."""

    turns_off: ClassVar[Mapping[str, Any]] = {"crop": (1.0, 1.0), **dict.fromkeys(PROBABILITIES, 0.0)}

    # Whether the kernel of the blur holds all of its largest sigma also in small views, as Pillow's does.
    whole_blur: ClassVar[bool] = False

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
    style: Style = Field("torchvision", description=STYLE)
    grey: Grey = 0.2
    blur: Blur = 0.5
    sigma: Span = Field((0.1, 2.0), description="smallest and largest sigma of the blur, in pixels of the view")
    solarize: Solarize = 0.0
    boxes: Boxes = False

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

    def view(self, number: int, data: DataFacts, grey_first: bool = False, **changes: Any) -> View:
        """The settings of a view, by its number; `changes` replaces some. grey_first: before the jitter (MoCo v1)."""
        flip, jitter, grey, blur, solarize = (self.each(getattr(self, name))[number] for name in PROBABILITIES)
        amounts = {name: self.strength * getattr(self, name) for name in AMOUNTS}
        jitters = operations.Jitter(p=jitter, style=self.style, **amounts)
        colours: list[operations.AnyOperation] = [jitters, operations.Grey(p=grey)]
        settings = {"size": sides(self.size, data), "area": self.crop, **changes}
        smooth = operations.Blur(p=blur, sigma=self.sigma, kernel=self._kernel(settings["size"]))
        bright = operations.Solarize(p=solarize, threshold=0.5)
        return View(
            size=settings["size"], crop=RandomCrop(area=settings["area"], ratio=self.ratio), flip=flip,
            operations=(*(reversed(colours) if grey_first else colours), smooth, bright), mean=data.mean, std=data.std,
        )  # fmt: skip

    def _kernel(self, size: tuple[int, int]) -> int | None:
        """Width of the blur's kernel for a view of this height and width; None for the usual one."""
        wanted = math.ceil(WHOLE * self.sigma[1])
        if not self.whole_blur or wanted <= radius_for(size[0]):
            return None
        return 2 * min(wanted, min(size) - 1) + 1  # borders are reflected
