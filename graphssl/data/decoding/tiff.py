"""TIFFs as they are: bands in one page (interleaved or planar) or one a page, of any depth. By tifffile.

Needs the extra `graphssl[tiff]`. The orientation that a TIFF says is applied always, as Pillow does.
"""

from __future__ import annotations

import io
import math
from typing import Annotated, Any

import torch
from torch import Tensor

from ...errors import RunError, reason_of
from .bounds import check_pixels
from .form import BadImageError
from .upright import TAG, turned

__all__ = ["Elsewhere", "of_tiff"]

PALETTE, WHITE_IS_ZERO = 3, 0
FEW = 16  # channels, where nobody says how many there are


class Elsewhere(Exception):
    """What tifffile does not read, and Pillow may: why."""


def of_tiff(data: bytes, channels: int) -> Annotated[Tensor, "c h w"]:
    """Raises BadImageError for a file that is damaged, Elsewhere for one that Pillow should try."""
    import numpy as np

    try:
        import tifffile
    except ImportError as error:
        raise RunError(
            "TIFFs of other than RGB bytes need the package tifffile: pip install 'graphssl[tiff]'"
        ) from error
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as opened:
            series = opened.series[0]
            page = series.keyframe
            if page.photometric == PALETTE or page.bitspersample not in (8, 12, 14, 16, 32, 64):
                raise Elsewhere("a palette")
            check_pixels(math.prod(series.shape), 1, series.dtype.itemsize)
            values, axes = series.asarray(), series.axes
            orientation = int(getattr(page.tags.get(TAG), "value", 1) or 1)
            if page.photometric == WHITE_IS_ZERO and values.dtype.kind == "u":
                values = np.iinfo(values.dtype).max - values
    except (Elsewhere, BadImageError, MemoryError):
        raise
    except Exception as error:  # it raises many kinds on damaged files
        if "imagecodecs" in str(error):
            raise Elsewhere(reason_of(error)) from error
        raise BadImageError(reason_of(error)) from error
    picture = torch.from_numpy(np.array(_channels_first(values, axes, channels), dtype=values.dtype.newbyteorder("=")))
    return turned(picture, orientation)


def _channels_first(values: Any, axes: str, channels: int) -> Any:
    """`c h w`, by tifffile's letters: Y and X; S for samples of a pixel; any other for pages or planes.

    An array `h w c` that tifffile was not told of is there as h pages of `w c`: of these `channels` tells, or where it
    is 0, for nobody knows, whether there are few columns and many pages.
    """
    if axes == "YX":
        return values[None]
    if len(axes) == 3 and axes.startswith("YX"):
        return values.transpose(2, 0, 1)
    if len(axes) == 3 and axes.endswith("YX"):
        pages, _, columns = values.shape
        last = columns == channels if channels else columns <= FEW
        return values.transpose(2, 0, 1) if last and pages > (0 if channels else FEW) and pages != channels else values
    raise BadImageError(f"its axes are {axes}: a picture has rows, columns, and bands or pages")
