"""A picture as people want to see it: whole, of its own shape, in RGB, small."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...data.decode import RGB, decode, read
from ...data.decoding.form import ANY
from ...errors import UsageError
from ...report import SIDE
from .given import of_pillow

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["thumbnail"]


def thumbnail(picture: str | Tensor, side: int = 2 * SIDE, *, upright: bool = False) -> Image:
    """RGB, no side longer than `side` px where it was. Of other channels than 1 or 3 their mean is shown, in grey.

    upright: a file's picture is turned as its EXIF says. A file that Pillow does not read is shown as the encoder
    sees it.
    """
    from PIL.Image import fromarray

    values = _values(picture, side, upright) if isinstance(picture, str) else picture
    values = _bytes(values.detach().cpu())
    if len(values) != 3:
        values = values.float().mean(0, keepdim=True).round().to(torch.uint8).expand(3, -1, -1)
    image = fromarray(values.permute(1, 2, 0).contiguous().numpy())
    image.thumbnail((side, side))
    return image


def _bytes(values: Tensor) -> Tensor:
    """Of another type, brightest 255: of bands nobody knows which value is white."""
    if values.dtype == torch.uint8:
        return values
    values = values.float()
    return (values * (255 / values.amax().clamp(min=1e-6))).clamp(0, 255).round().to(torch.uint8)


def _values(path: str, side: int, upright: bool) -> Tensor:
    """uint8 `3 h w`, or what Pillow does not read as it is."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            opened.draft(None, (side, side))
            return of_pillow(opened, replace(RGB, upright=upright), path)
    except (OSError, UsageError, SyntaxError, ValueError):
        return decode(read(path), replace(ANY, upright=upright))
