"""Colour operations with parameters of their own for each image: jitter in any order, grey, solarise.

An image is its red, green and blue planes, each `b h w`, float32 in 0 to 1: compiled, the three are one loop. Equal
to torchvision's functional transforms on float tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

__all__ = ["BLENDS", "Planes", "arrange", "jitter", "luma", "normalise", "planes", "shift_hue", "solarise", "to_grey"]

Planes = tuple[Tensor, Tensor, Tensor]
LUMA = (0.2989, 0.587, 0.114)  # torchvision's digits of ITU-R BT.601
BLENDS = 3  # brightness, contrast, saturation


def planes(image: Annotated[Tensor, "b 3 h w"]) -> Planes:
    """The three channels, as views."""
    red, green, blue = image.unbind(1)
    return red, green, blue


def luma(image: Planes) -> Annotated[Tensor, "b h w"]:
    """The grey of each pixel."""
    red, green, blue = image
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def to_grey(image: Planes, chosen: Annotated[Tensor, "b"]) -> Planes:
    """The chosen images in shades of grey, the others as they are."""
    share = _per_image(chosen.float())  # 0 or 1; on a CPU `where` takes several times as long
    grey, rest = luma(image).mul_(share), 1 - share
    red, green, blue = (torch.addcmul(grey, plane, rest) for plane in image)
    return red, green, blue


def arrange(
    factors: Annotated[Tensor, "b 3"], rank: Annotated[Tensor, "b 4"], hue: bool = True
) -> Annotated[Tensor, "b slot 3"]:
    """The slots for `jitter`: what brightness, contrast and saturation change in each, factor - 1 or nothing.

    Any order of the three and hue is: three slots, hue, three slots, of which three change nothing. rank: the place,
    0 to 3, of brightness, contrast, saturation and hue in an image's order. Without hue there are three slots.
    """
    after = (rank[:, :BLENDS] > rank[:, BLENDS:]).long()
    slot = rank[:, :BLENDS] - after  # the place among the three
    if hue:
        slot = slot + BLENDS * after
    slots = torch.arange(2 * BLENDS if hue else BLENDS, device=rank.device)
    return (slot[:, None] == slots[:, None]) * (factors - 1)[:, None]


def jitter(image: Planes, slots: Annotated[Tensor, "b slot 3"], turns: Annotated[Tensor, "b"]) -> Planes:
    """Brightness, contrast, saturation and hue in each image's own order, which `arrange` puts into slots.

    turns: the shift of the hue, -0.5 to 0.5; not used with three slots.
    """
    red, green, blue = (plane.clone() for plane in image)
    image, changes = (red, green, blue), slots.unbind(1)
    for change in changes[:BLENDS]:
        _blend(image, change)
    if len(changes) > BLENDS:
        image = shift_hue(image, turns)
        for change in changes[BLENDS:]:
            _blend(image, change)
    return image


def _blend(image: Planes, change: Annotated[Tensor, "b 3"]) -> None:
    """Adds, in place, at most one of: brightness * x, contrast * (x - mean luma), saturation * (x - luma).

    The result is cut to 0 to 1. New memory for each would cost more than the arithmetic on a CPU.
    """
    brightness, contrast, saturation = (_per_image(c) for c in change.unbind(1))
    factor = 1 + brightness + contrast + saturation
    grey = luma(image)
    mean = grey.mean((1, 2), keepdim=True)
    base = grey.mul_(-saturation).sub_(mean * contrast)
    for plane in image:
        plane.mul_(factor).add_(base).clamp_(0, 1)


def shift_hue(image: Planes, turns: Annotated[Tensor, "b"]) -> Planes:
    """Shifts the hue in HSV, by -0.5 to 0.5 turns, leaving saturation and value.

    With M and m the largest and smallest channel, C = M - m, and hues in sixths of a turn: the distance of a pixel's
    hue from red is (g + b - r + M - 2 m) / C, on the side of green where g > b; a channel whose hue is d away is
    m + C * clamp(2 - d, 0, 1).
    """
    red, green, blue = image
    low = torch.minimum(torch.minimum(red, green), blue)
    high = torch.maximum(torch.maximum(red, green), blue)
    chroma = high - low
    distance = high.sub_(low, alpha=2).sub_(red).add_(green).add_(blue).div_(chroma.clamp_min(1e-20))  # 0 / 0 is 0
    hue = torch.copysign(distance, green - blue)
    base = low.sub_(chroma)
    red, green, blue = (
        (hue + offset).abs_().sub_(3).abs_().clamp_(1, 2).mul_(chroma).add_(base)  # 3 - d, for d of up to one turn
        for offset in _offsets(6 * turns)
    )
    return red, green, blue


def _offsets(shift: Annotated[Tensor, "b"]) -> Planes:
    """What to add to hues in -3 to 3 for their difference from red, green and blue, within -6 to 6."""
    green = torch.where(shift < -1, shift + 4, shift - 2)
    blue = torch.where(shift > 1, shift - 4, shift + 2)
    return _per_image(shift), _per_image(green), _per_image(blue)


def solarise(image: Planes, chosen: Annotated[Tensor, "b"]) -> Planes:
    """Inverts the channels at or above 0.5, the middle (128 of 255), in the chosen images: the less of x and 1 - x."""
    bound = _per_image(3 - 2 * chosen.float())
    red, green, blue = (torch.minimum(plane, bound - plane) for plane in image)
    return red, green, blue


def normalise(image: Planes, mean: Sequence[float], std: Sequence[float]) -> Annotated[Tensor, "b 3 h w"]:
    """(x - mean) / std for each channel, in the memory format channels last."""
    channels = [plane.sub(m).div_(s) for plane, m, s in zip(image, mean, std, strict=True)]
    return torch.stack(channels, 1).contiguous(memory_format=torch.channels_last)


def _per_image(value: Annotated[Tensor, "b"]) -> Annotated[Tensor, "b 1 1"]:
    return value[:, None, None]
