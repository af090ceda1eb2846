"""What settings of augmentations may be: ranges, probabilities, sizes; one for all views or one for each."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, NonNegativeFloat, Tag

from graphssl.component import DataFacts

__all__ = ["Amount", "Angles", "Area", "Hue", "PerView", "Size", "Span", "sides"]


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
Angles = Annotated[tuple[float, ...], AfterValidator(_ascending)]
Area = Annotated[tuple[Share, ...], AfterValidator(_ascending)]
PerView = Annotated[
    Annotated[Probability, Tag("all")] | Annotated[tuple[Probability, ...], Tag("each")], Discriminator(_kind)
]
Pixels = Annotated[int, Field(ge=4, le=4096)]
Sides = tuple[Pixels, Pixels]
Size = Annotated[Annotated[Pixels, Tag("all")] | Annotated[Sides, Tag("each")], Discriminator(_kind)] | None

# Descriptions go with the types, so that a recipe can change a default and nothing else.
Amount = Annotated[NonNegativeFloat, Field(description="jitter: factors from 1 - amount (at least 0) to 1 + amount")]
Hue = Annotated[NonNegativeFloat, Field(description="jitter: largest shift of the hue, in turns")]


def sides(size: Size, data: DataFacts) -> tuple[int, int]:
    """Height and width that `size` says."""
    if size is None:
        return data.height, data.width
    return (size, size) if isinstance(size, int) else size
