"""The orientation that a camera writes into EXIF (CIPA DC-008, tag 274), as Pillow's ImageOps.exif_transpose has it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

from torch import Tensor

from .bounds import opened_by_pillow

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["TIFF", "orientation_in", "orientation_of", "turned"]

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
TAG = 0x0112
SAID_BY = (b"Exif", b"tiff:Orientation", b"exif")


def orientation_in(data: bytes) -> int:
    """Of the picture in a file's bytes, 1 to 8; 1 where none is said. A TIFF is upright when Pillow has read it."""
    if data.startswith(TIFF) or (data.startswith(b"\xff\xd8") and not any(word in data for word in SAID_BY)):
        return 1
    with contextlib.suppress(Exception), opened_by_pillow(data) as opened:  # Pillow raises what it likes
        return orientation_of(opened)
    return 1


def orientation_of(picture: Image) -> int:
    """As `orientation_in`, of a picture that is open."""
    found = picture.getexif().get(TAG, 1)
    return found if found in range(1, 9) else 1


def turned(picture: Annotated[Tensor, "c h w"], orientation: int) -> Annotated[Tensor, "c y x"]:
    """A picture upright, whose values stand in a file with this orientation."""
    if orientation >= 5:
        picture = picture.transpose(1, 2)
    axes = {2: (2,), 3: (1, 2), 4: (1,), 6: (2,), 7: (1, 2), 8: (1,)}.get(orientation, ())
    return picture.flip(axes) if axes else picture
