"""Colour operations with parameters of their own for each image: jitter in any order, grey, solarise.

An image is its planes, red, green and blue, each `b h w` or `b p`, float32 in 0 to 1: compiled, the three are one
loop. Equal to torchvision's functional transforms on float tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Literal, NamedTuple

import torch
from torch import Tensor

from .operation import Planes, per_image

__all__ = [
    "BLENDS",
    "PLACES",
    "Style",
    "arrange",
    "jitter",
    "jitter_sorted",
    "luma",
    "normalise",
    "places",
    "shift_hue",
    "solarise",
    "to_grey",
]  # fmt: skip

Out = Sequence[Tensor] | None
Parts = list[Sequence[Tensor]]  # by slot
Change = Callable[[Planes, Sequence[Tensor], Out], Planes]
Style = Literal["torchvision", "simclr", "byol"]
LUMA = (0.2989, 0.587, 0.114)  # torchvision's digits of ITU-R BT.601
BLENDS = 3  # brightness, contrast, saturation
PLACES = BLENDS + 2  # of the hue among them, or no jitter


class Blend(NamedTuple):
    """What a slot makes of a pixel, each `b`: `factor` of it, `mean` of the image's mean luma and `own` of its own."""

    factor: Tensor
    mean: Tensor
    own: Tensor


def luma(image: Planes) -> Annotated[Tensor, "b h w"]:
    """The grey of each pixel; of other channels than red, green and blue their mean."""
    if len(image) != len(LUMA):
        return torch.stack(image).mean(0)
    red, green, blue = image
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def to_grey(image: Planes, chosen: Annotated[Tensor, "b"]) -> Planes:
    """The chosen images in shades of grey, the others as they are."""
    share = per_image(chosen.float(), image[0])  # 0 or 1; on a CPU `where` takes several times as long
    grey, rest = luma(image).mul_(share), 1 - share
    return tuple(torch.addcmul(grey, plane, rest) for plane in image)


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


def jitter(
    image: Planes, slots: Annotated[Tensor, "b slot 3"], turns: Annotated[Tensor, "b"], style: Style = "torchvision"
) -> Planes:
    """Brightness, contrast, saturation and hue in each image's own order, which `arrange` puts into slots.

    turns: the shift of the hue, -0.5 to 0.5; not used with three slots. style: see `STYLES`.
    """
    entries, change = STYLES[style]
    parts = entries(slots)
    for part in parts[:BLENDS]:
        image = change(image, part, None)
    if len(parts) > BLENDS:
        image = _shift_hue(image, turns, None)
        for part in parts[BLENDS:]:
            image = change(image, part, None)
    return image


def places(slots: Annotated[Tensor, "b slot 3"], turns: Annotated[Tensor, "b"]) -> Annotated[Tensor, "b"]:
    """How many slots come before the hue, 0 to 3, up to the last that changes something; 4 where there is no jitter."""
    used = slots.any(2)
    before = (used[:, :BLENDS] * torch.arange(1, BLENDS + 1, device=slots.device)).amax(1)
    return before.masked_fill(~used.any(1) & (turns == 0), PLACES - 1)


def jitter_sorted(
    image: Planes, slots: Annotated[Tensor, "b slot 3"], turns: Annotated[Tensor, "b"], ends: Sequence[int],
    style: Style = "torchvision",
) -> None:  # fmt: skip
    """`jitter` in place, of images sorted by `places`: a slot is of those that use it, which is half of the work.

    ends: for each place, the number of images that are of it or of one before it.
    """
    entries, change = STYLES[style]
    *ends, jittered, _ = ends
    parts = entries(slots)
    for end, part in zip(ends, parts[:BLENDS], strict=True):
        _change_part(change, image, part, end, jittered)
    if len(parts) > BLENDS and jittered:
        there = _part(image, 0, jittered)
        _shift_hue(there, turns[:jittered], there)
        for end, part in zip(ends, parts[BLENDS:], strict=True):
            _change_part(change, image, part, 0, end)


def _change_part(change: Change, image: Planes, part: Sequence[Tensor], start: int, stop: int) -> None:
    if start < stop:
        there = _part(image, start, stop)
        change(there, tuple(entry[start:stop] for entry in part), there)


def _part(image: Planes, start: int, stop: int) -> Planes:
    return tuple(plane[start:stop] for plane in image)


def _blends(slots: Annotated[Tensor, "b slot 3"]) -> Parts:
    """The slots, one by one. The three operations blend with black, with the mean luma, and with the pixel's."""
    entries = (1 + slots.sum(2), -slots[:, :, 1], -slots[:, :, 2])
    return [Blend(*slot) for slot in zip(*(entry.unbind(1) for entry in entries), strict=True)]


def _blend(image: Planes, blend: Sequence[Tensor], out: Out) -> Planes:
    """The blended pixels, cut to 0 to 1; into new planes, or into `out`, which may be the image.

    New memory costs more than the arithmetic on a CPU.
    """
    factor, mean, own = (per_image(entry, image[0]) for entry in blend)
    grey = luma(image)
    whole = grey.mean(tuple(range(1, grey.dim())), keepdim=True)
    end = grey.mul_(own).add_(whole.mul_(mean))
    blended = (torch.addcmul(end, plane, factor, out=o) for plane, o in zip(image, _into(out, image), strict=True))
    return tuple(_clamp(plane, 0, 1) for plane in blended)


def _adjustments(additive: bool, slots: Annotated[Tensor, "b slot 3"]) -> Parts:
    """The slots, one by one: what is added, and the factors on all, on the distance from the channel's mean, and on
    the saturation."""
    brightness, contrast, saturation = slots.unbind(2)
    nothing = torch.zeros_like(brightness)
    added, factor = (brightness, nothing) if additive else (nothing, brightness)
    entries = (added, 1 + factor, 1 + contrast, 1 + saturation)
    return [tuple(slot) for slot in zip(*(entry.unbind(1) for entry in entries), strict=True)]


def _adjust(image: Planes, part: Sequence[Tensor], out: Out) -> Planes:
    """TensorFlow's adjustments, of which a slot has one, cut to 0 to 1. Saturation leaves a pixel's value in HSV."""
    added, factor, contrast, saturation = (per_image(entry, image[0]) for entry in part)
    axes = tuple(range(1, image[0].dim()))
    moved = []
    for plane, place in zip(image, _into(out, image), strict=True):
        mean = plane.mean(axes, keepdim=True)
        scaled = torch.mul(plane, factor * contrast, out=place)
        moved.append(_clamp(scaled.add_(added + mean * (1 - contrast)), 0, 1))
    high = torch.maximum(torch.maximum(moved[0], moved[1]), moved[2])
    low = torch.minimum(torch.minimum(moved[0], moved[1]), moved[2])
    most = high / (high - low).clamp_min(1e-20)  # at which the saturation is 1
    share = torch.minimum(saturation, most)
    return tuple(_clamp(plane.sub_(high).mul_(share).add_(high), 0, 1) for plane in moved)


# What jitter is: torchvision's; and that of TensorFlow, whose contrast is around each channel's own mean, and whose
# saturation is HSV's, with a factor on the brightness (SimCLR's code) or something added to it (BYOL's).
STYLES: dict[Style, tuple[Callable[[Tensor], Parts], Change]] = {
    "torchvision": (_blends, _blend),
    "simclr": (partial(_adjustments, False), _adjust),
    "byol": (partial(_adjustments, True), _adjust),
}


def shift_hue(image: Planes, turns: Annotated[Tensor, "b"]) -> Planes:
    """Shifts the hue in HSV, by -0.5 to 0.5 turns, leaving saturation and value.

    With M and m the largest and smallest channel, C = M - m, and hues in sixths of a turn: the distance of a pixel's
    hue from red is (g + b - r + M - 2 m) / C, on the side of green where g > b; a channel whose hue is d away is
    m + C * clamp(2 - d, 0, 1).
    """
    return _shift_hue(image, turns, None)


def _shift_hue(image: Planes, turns: Tensor, out: Out) -> Planes:
    """Into new planes, or into `out`, which may be the image."""
    red, green, blue = image
    low = torch.minimum(torch.minimum(red, green), blue)
    high = torch.maximum(torch.maximum(red, green), blue)
    chroma = high - low
    distance = high.sub_(low, alpha=2).sub_(red).add_(green).add_(blue).div_(chroma + 1e-20)  # 0 / 0 is 0
    hue = torch.copysign(distance, green - blue)
    base = low.sub_(chroma)
    offsets = (per_image(offset, hue) for offset in _offsets(6 * turns))
    places = _into(out, image)
    differences = (torch.add(hue, offset, out=plane) for offset, plane in zip(offsets, places, strict=True))
    # 3 - d is | |difference| - 3 |, for differences of up to a turn.
    return tuple(_clamp(d.abs_().sub_(3).abs_(), 1, 2).mul_(chroma).add_(base) for d in differences)


def _offsets(shift: Annotated[Tensor, "b"]) -> Annotated[tuple[Tensor, Tensor, Tensor], "b"]:
    """What to add to hues in -3 to 3 for their difference from red, green and blue, within -6 to 6."""
    green = torch.where(shift < -1, shift + 4, shift - 2)
    blue = torch.where(shift > 1, shift - 4, shift + 2)
    return shift, green, blue


def solarise(image: Planes, chosen: Annotated[Tensor, "b"]) -> Planes:
    """Inverts the channels at or above 0.5, the middle (128 of 255), in the chosen images: the less of x and 1 - x."""
    bound = per_image(3 - 2 * chosen.float(), image[0])
    return tuple(torch.minimum(plane, bound - plane) for plane in image)


def normalise(image: Planes, mean: Sequence[float], std: Sequence[float]) -> Annotated[Tensor, "b 3 h w"]:
    """(x - mean) / std for each channel, in the memory format channels last."""
    channels = [plane.mul(1 / s).sub_(m / s) for plane, m, s in zip(image, mean, std, strict=True)]
    return torch.stack(channels, 1).contiguous(memory_format=torch.channels_last)


def _clamp(value: Tensor, low: float, high: float) -> Tensor:
    """The values cut to low to high; in place, but where this is compiled.

    There `clamp` looks for NaN, which takes a CPU twice as long as what is done instead.
    """
    if torch.compiler.is_compiling():
        return high - (high - low - (value - low).relu()).relu()
    return value.clamp_(low, high)


def _into(out: Out, image: Planes) -> Sequence[Tensor | None]:
    return (None,) * len(image) if out is None else out
