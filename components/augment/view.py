"""What makes one view: the settings, the numbers drawn for each image, and the operations in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from .blur import gaussian_blur, radius_for
from .colour import BLENDS, Planes, arrange, jitter, jitter_sorted, normalise, planes, solarise, to_grey
from .crop import TRIES, WHITE, Box, crop_resize, random_box

__all__ = ["COLUMNS", "Parameters", "View", "colours", "parameters", "render"]

Range = tuple[float, float]
# Numbers for each image, uniform over 0 to 1. None depends on the settings: without blur, crops are as with it.
WIDTHS = {
    "area": TRIES, "ratio": TRIES, "corner": 2, "flip": 1, "jitter": 1, "factors": 4, "order": 4,
    "grey": 1, "blur": 1, "sigma": 1, "solarize": 1,
}  # fmt: skip
COLUMNS = sum(WIDTHS.values())


@dataclass(frozen=True)
class View:
    """The settings of a view. Probabilities are 0 to 1, sizes and sigmas in pixels of the view.

    size: height and width, y and x. crop, ratio: ranges of the share of the image's area, and of width over height.
    amounts: of brightness, contrast, saturation and hue; a factor is 1 - amount to 1 + amount, at least 0, the hue's
    shift up to the amount in turns. grey_first: grey comes before the jitter, as in MoCo v1.
    """

    size: tuple[int, int]
    crop: Range
    ratio: Range
    flip: float
    jitter: float
    amounts: tuple[float, float, float, float]
    grey: float
    blur: float
    sigma: Range
    solarize: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    grey_first: bool = False


class Parameters(NamedTuple):
    """What was drawn for each image of a view; each entry starts with the axis `b`.

    slots, turns: the jitter's, see `colour.arrange` and `colour.jitter`; they change nothing where there is none.
    sigma in pixels. The others are bools.
    """

    box: Box
    flip: Tensor
    slots: Tensor
    turns: Tensor
    grey: Tensor
    blur: Tensor
    sigma: Tensor
    solarize: Tensor


def parameters(uniform: Annotated[Tensor, "b k"], view: View, image: tuple[int, int]) -> Parameters:
    """The parameters that `COLUMNS` uniform numbers stand for; image: its height and width in pixels."""
    u: dict[str, Tensor] = dict(zip(WIDTHS, uniform.split(list(WIDTHS.values()), 1), strict=True))

    def happens(name: str, probability: float) -> Tensor:
        return u[name][:, 0] < probability

    factors = _factors(u["factors"], happens("jitter", view.jitter), view.amounts)
    rank = u["order"].argsort(1).argsort(1)
    low, high = view.sigma
    return Parameters(
        random_box(u["area"], u["ratio"], u["corner"], image, view.crop, view.ratio),
        happens("flip", view.flip),
        arrange(factors[:, :BLENDS], rank, view.amounts[BLENDS] > 0),
        factors[:, BLENDS],
        happens("grey", view.grey),
        happens("blur", view.blur),
        low + (high - low) * u["sigma"][:, 0],
        happens("solarize", view.solarize),
    )


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


def render(
    image: Annotated[Tensor, "b 3 h w"], drawn: Parameters, view: View, *, cut: bool = False
) -> Annotated[Tensor, "b 3 y x"]:
    """The view of each uint8 image, normalised; what has a probability of 0 costs nothing.

    cut: the images are crops already, mirrored where they are to be.
    """
    flip = drawn.flip if view.flip > 0 else None
    cropped = planes(image / WHITE if cut else crop_resize(image, drawn.box, flip, view.size))
    # Of pixels along one axis a compiler makes one loop over images, whose intermediate results stay in the cache.
    red, green, blue = (plane.flatten(1) for plane in cropped)
    flat = colours((red, green, blue), drawn, view)
    red, green, blue = (plane.unflatten(1, view.size) for plane in flat)
    x = (red, green, blue)
    if view.blur > 0:
        x = planes(gaussian_blur(torch.stack(x, 1), drawn.sigma, drawn.blur, radius_for(view.size[0])))
    if view.solarize > 0:
        x = solarise(x, drawn.solarize)
    return normalise(x, view.mean, view.std)


def colours(image: Planes, drawn: Parameters, view: View, ends: Sequence[int] | None = None) -> Planes:
    """Jitter and grey. With `ends`, of `colour.jitter_sorted`, the jitter is made in place."""
    if view.grey > 0 and view.grey_first:
        image = to_grey(image, drawn.grey)
    if view.jitter > 0 and any(view.amounts):
        if ends is None:
            image = jitter(image, drawn.slots, drawn.turns)
        else:
            jitter_sorted(image, drawn.slots, drawn.turns, ends)
    if view.grey > 0 and not view.grey_first:
        image = to_grey(image, drawn.grey)
    return image
