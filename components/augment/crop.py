"""Random crops and their resizing, for a batch with a box for each image.

Equal to torchvision's `RandomResizedCrop` (in distribution) and `resized_crop` (in value: bilinear, antialiased).
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from graphssl.ports import scale_of

from .taps import Taps

__all__ = [
    "TRIES", "WHITE", "Box", "crop_resize", "crop_taps", "cut", "first_that_fits", "place", "random_box", "resize",
]  # fmt: skip

TRIES = 10  # candidates before the centre is taken, as in torchvision
WHITE = 255.0


class Box(NamedTuple):
    """A rectangle for each image: whole pixels, as floats, each `b`."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


def random_box(
    area: Annotated[Tensor, "b k"],
    ratio: Annotated[Tensor, "b k"],
    corner: Annotated[Tensor, "b 2"],
    image: tuple[int, int],
    areas: tuple[float, ...],
    ratios: tuple[float, ...],
) -> Box:
    """Boxes from numbers that are uniform over 0 to 1: the first of the k candidates that lies within the image.

    image: its height and width in pixels. areas: smallest and largest share of the image. ratios: smallest and
    largest width over height, drawn uniformly in the logarithm. Where no candidate fits, the largest centred box of
    an allowed ratio is taken.
    """
    pixels = image[0] * image[1] * (areas[0] + (areas[1] - areas[0]) * area)
    low, high = math.log(ratios[0]), math.log(ratios[1])
    aspect = torch.exp(low + (high - low) * ratio)
    heights, widths = torch.round(torch.sqrt(pixels / aspect)), torch.round(torch.sqrt(pixels * aspect))
    fits = (heights > 0) & (heights <= image[0]) & (widths > 0) & (widths <= image[1])
    first, found = first_that_fits(fits)
    none, centre = ~found, _centre(image, ratios)
    sides, starts = [], []
    for axis, candidates in enumerate((heights, widths)):
        side = candidates.gather(1, first)[:, 0].masked_fill(none, centre[axis])
        start = place(corner[:, axis], image[axis] - side)
        sides.append(side)
        starts.append(start.masked_fill(none, (image[axis] - centre[axis]) // 2))
    return Box(*starts, *sides)


def first_that_fits(fits: Annotated[Tensor, "b k"]) -> tuple[Annotated[Tensor, "b 1"], Annotated[Tensor, "b"]]:
    """Which of k candidates is the first that fits, and whether one does."""
    rank = fits * torch.arange(fits.shape[1], 0, -1, device=fits.device)
    best, first = rank.max(1, keepdim=True)
    return first, best[:, 0] > 0


def place(uniform: Tensor, room: Tensor) -> Tensor:
    """A whole number from 0 to room, all equally likely. The product may round up to room + 1."""
    return torch.minimum(torch.floor(uniform * (room + 1)), room)


def _centre(image: tuple[int, int], ratios: tuple[float, ...]) -> tuple[int, int]:
    """Height and width of the largest box of an allowed ratio."""
    height, width = image
    if width / height < ratios[0]:
        return round(width / ratios[0]), width
    if width / height > ratios[1]:
        return height, round(height * ratios[1])
    return height, width


def crop_resize(
    image: Annotated[Tensor, "b c h w"], box: Box, flip: Annotated[Tensor, "b"] | None, size: tuple[int, int]
) -> Annotated[Tensor, "b c y x"]:
    """Cuts a box out of each uint8 image and resizes it, mirrored left to right where `flip`; float32, 0 to 1.

    As two small matrix products: on a CPU the right way only for small images, see `crop_taps`.
    """
    b, c, h, w = image.shape
    y, x = size
    rows = _weights(box.top, box.height, None, h, y) / scale_of(image)
    columns = _weights(box.left, box.width, flip, w, x)
    low = torch.bmm(rows, image.transpose(1, 2).reshape(b, h, c * w).float()).view(b, y * c, w)
    return torch.bmm(low, columns.transpose(1, 2)).view(b, y, c, x).transpose(1, 2)


def crop_taps(box: Box, flip: Annotated[Tensor, "b"], size: tuple[int, int], scale: float = WHITE) -> tuple[Taps, Taps]:
    """`crop_resize` as sums over rows and over columns, for `taps.along_both`. scale: the value of white."""
    rows, columns = _taps(box.top, box.height, None, size[0]), _taps(box.left, box.width, flip, size[1])
    return Taps(rows.pixel, rows.weight / scale), columns


def cut(taps: Taps, start: int, length: int) -> Taps:
    """The taps of one image from which only its box is left: without what lies before and what is beyond its reach."""
    count = _count(max(length / taps.pixel.shape[1], 1))
    return Taps(taps.pixel[:, :, :count] - start, taps.weight[:, :, :count])


def resize(image: Annotated[Tensor, "b c h w"], size: tuple[int, int]) -> Annotated[Tensor, "b c y x"]:
    """The whole of each image; float32, 0 to 1."""
    image = image / scale_of(image)
    if tuple(image.shape[2:]) == size:
        return image
    return functional.interpolate(image, size, mode="bilinear", antialias=True)


def _weights(start: Tensor, length: Tensor, flip: Tensor | None, inside: int, size: int) -> Annotated[Tensor, "b o i"]:
    """What each of `size` output pixels takes of each of `inside` input pixels, along one axis.

    A triangle around the output pixel's centre, one input pixel wide to each side, wider where the box shrinks. The
    terms are rounded in the order of torch's `interpolate`, so that both round alike.
    """
    centre, reach = _triangles(length, flip, size)
    pixel = torch.arange(inside, device=start.device) + 0.5 - start[:, None, None]
    pixel = pixel.masked_fill((pixel < 0) | (pixel > length[:, None, None]), math.inf)
    return _heights(pixel, centre, reach)


def _taps(start: Tensor, length: Tensor, flip: Tensor | None, size: int) -> Taps:
    """As `_weights`, of those input pixels that are within the widest triangle."""
    centre, reach = _triangles(length, flip, size)
    pixel = torch.floor(centre - reach + 0.5) + torch.arange(_count(reach.max().item()))
    inside = pixel.clamp_min(0).minimum(length[:, None, None] - 1)
    weight = _heights((pixel + 0.5).masked_fill_(pixel != inside, math.inf), centre, reach)
    return Taps((inside + start[:, None, None]).int(), weight)


def _count(reach: float) -> int:
    """How many pixels lie within `reach` of any centre, and one for the rounding."""
    return math.ceil(2 * reach) + 1


def _triangles(length: Tensor, flip: Tensor | None, size: int) -> tuple[Tensor, Tensor]:
    """Centres, in pixels from the box's edge, `b o 1`, and half of the width, `b 1 1`."""
    scale = (length / size)[:, None, None]
    out = torch.arange(size, device=length.device) + 0.5
    if flip is not None:
        out = torch.where(flip[:, None], size - out, out)
    return scale * out.view(-1, size, 1), scale.clamp_min(1)


def _heights(pixel: Tensor, centre: Tensor, reach: Tensor) -> Annotated[Tensor, "b o i"]:
    """Of the triangles at each pixel, with a sum of 1."""
    weight = (reach - (pixel - centre).abs_()).clamp_min_(0)
    return weight.div_(weight.sum(2, keepdim=True))
