"""Random crops and their resizing, for a batch with a box for each image, as two small matrix products.

Equal to torchvision's `RandomResizedCrop` (in distribution) and `resized_crop` (in value: bilinear, antialiased).
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["TRIES", "Box", "crop_resize", "random_box", "resize"]

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
    areas: tuple[float, float],
    ratios: tuple[float, float],
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
    rank = fits * torch.arange(fits.shape[1], 0, -1, device=fits.device)
    best, first = rank.max(1, keepdim=True)
    none, centre = best[:, 0] == 0, _centre(image, ratios)
    sides, starts = [], []
    for axis, candidates in enumerate((heights, widths)):
        side = candidates.gather(1, first)[:, 0].masked_fill(none, centre[axis])
        start = _place(corner[:, axis], image[axis] - side)
        sides.append(side)
        starts.append(start.masked_fill(none, (image[axis] - centre[axis]) // 2))
    return Box(*starts, *sides)


def _place(uniform: Tensor, room: Tensor) -> Tensor:
    """A whole number from 0 to room, all equally likely. The product may round up to room + 1."""
    return torch.minimum(torch.floor(uniform * (room + 1)), room)


def _centre(image: tuple[int, int], ratios: tuple[float, float]) -> tuple[int, int]:
    """Height and width of the largest box of an allowed ratio."""
    height, width = image
    if width / height < ratios[0]:
        return round(width / ratios[0]), width
    if width / height > ratios[1]:
        return height, round(height * ratios[1])
    return height, width


def crop_resize(
    image: Annotated[Tensor, "b c h w"], box: Box, flip: Annotated[Tensor, "b"] | None, size: int
) -> Annotated[Tensor, "b c size size"]:
    """Cuts a box out of each uint8 image and resizes it, mirrored left to right where `flip`; float32, 0 to 1."""
    b, c, h, w = image.shape
    rows = _weights(box.top, box.height, None, h, size) / WHITE
    columns = _weights(box.left, box.width, flip, w, size)
    wide = torch.bmm(image.float().reshape(b, c * h, w), columns.transpose(1, 2)).view(b, c, h, size)
    return torch.matmul(rows[:, None], wide)


def resize(image: Annotated[Tensor, "b c h w"], size: int) -> Annotated[Tensor, "b c size size"]:
    """The whole of each uint8 image; float32, 0 to 1."""
    if image.shape[2:] == (size, size):
        return image / WHITE
    return functional.interpolate(image / WHITE, (size, size), mode="bilinear", antialias=True)


def _weights(start: Tensor, length: Tensor, flip: Tensor | None, inside: int, size: int) -> Annotated[Tensor, "b o i"]:
    """What each of `size` output pixels takes of each of `inside` input pixels, along one axis.

    A triangle around the output pixel's centre, one input pixel wide to each side, wider where the box shrinks. The
    terms are rounded in the order of torch's `interpolate`, so that both round alike.
    """
    scale = (length / size)[:, None, None]
    out = torch.arange(size, device=start.device) + 0.5
    if flip is not None:
        out = torch.where(flip[:, None], size - out, out)
    centre = scale * out.view(-1, size, 1)
    pixel = torch.arange(inside, device=start.device) + 0.5 - start[:, None, None]
    pixel = pixel.masked_fill((pixel < 0) | (pixel > length[:, None, None]), math.inf)
    weight = (scale.clamp_min(1) - (pixel - centre).abs_()).clamp_min_(0)
    return weight.div_(weight.sum(2, keepdim=True))
