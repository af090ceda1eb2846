"""Weighted sums of a few pixels, along one axis and then the other: what crops and blurs are on a CPU.

Images are `c b h w` here: each colour is one piece of memory.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Taps", "along_both"]


class Taps(NamedTuple):
    """For each of o output pixels along an axis, k input pixels, int32, and their weights; each `b o k`."""

    pixel: Tensor
    weight: Tensor


def along_both(image: Annotated[Tensor, "c b h w"], rows: Taps, columns: Taps) -> Annotated[Tensor, "c b columns rows"]:
    """Sums over the image's rows, and of these over the columns. Transposed: to turn it back would be a copy."""
    return _along_rows(_along_rows(image, rows).transpose(2, 3).contiguous(), columns)


def _along_rows(image: Annotated[Tensor, "c b h w"], taps: Taps) -> Annotated[Tensor, "c b o w"]:
    c, b, h, w = image.shape
    o, k = taps.pixel.shape[1:]
    before = torch.arange(0, c * b * h, h, dtype=torch.int32).view(c, b, 1, 1)  # rows of other colours and images
    row, weight = (taps.pixel + before).reshape(-1), taps.weight.expand(c, b, o, k).reshape(-1)
    first = torch.arange(0, len(row), k, dtype=torch.int32)
    # The one operation of torch that sums rows with weights and does not store the products.
    sums = functional.embedding_bag(row, image.view(-1, w), first, per_sample_weights=weight, mode="sum")
    return sums.view(c, b, o, w)
