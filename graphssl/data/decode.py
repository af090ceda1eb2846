"""One file to one picture, decoded as RGB, whole and at its own resolution.

The orientation that a camera writes into EXIF is not applied, as in the field's usual ImageFolder.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

JPEG = b"\xff\xd8\xff"
SIXTEEN = ("PNG", "PPM")  # of which Pillow makes numbers of 32 bits


class BadImageError(Exception):
    """A file that is no readable picture: why, in one line."""


def read(path: str) -> bytes:
    """What a file holds. Raises BadImageError with the reason."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadImageError(error.strerror or str(error)) from error


def decode(data: bytes) -> Tensor:
    """The picture in a file's bytes as uint8, `3 h w`: a view of `h w 3`. Raises BadImageError with the reason."""
    if not data:
        raise BadImageError("the file is empty")
    return _rgb(data)


def size_in(data: bytes) -> tuple[int, int] | None:
    """Height and width of the picture in a file's bytes, by its header; None where it has none that can be read."""
    from PIL import Image

    with contextlib.suppress(Exception), Image.open(io.BytesIO(data)) as opened:  # Pillow raises what it likes
        return opened.height, opened.width
    return None


def _rgb(data: bytes) -> Tensor:
    """uint8 `3 h w`. What torchvision cannot decode is left to Pillow, which has the last word."""
    native = native_decoder()
    if native is not None and data.startswith(JPEG):
        with contextlib.suppress(RuntimeError):
            return native(torch.frombuffer(bytearray(data), dtype=torch.uint8))
    return _rgb_by_pillow(data)


@functools.cache
def native_decoder() -> Callable[[Tensor], Tensor] | None:
    """torchvision's decoder for JPEG, if it has one: three times as fast as Pillow. Its one for PNG ends the process
    at a damaged file.
    """
    try:
        from torchvision.io import ImageReadMode, decode_jpeg
    except ImportError:
        return None
    return functools.partial(decode_jpeg, mode=ImageReadMode.RGB)


def _rgb_by_pillow(data: bytes) -> Tensor:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            return rgb_of_pillow(picture)
    except UnidentifiedImageError as error:
        raise BadImageError("no known picture format") from error
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's plugins raise what they like on damaged files: SyntaxError, struct.error, IndexError...
        raise BadImageError(str(error) or type(error).__name__) from error


def rgb_of_pillow(picture: Image) -> Tensor:
    """uint8 `3 h w`. Raises BadImageError for what is no picture, and whatever Pillow raises."""
    import numpy as np

    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in SIXTEEN):
        grey = torch.from_numpy(np.asarray(picture).astype(np.int32) >> 8).to(torch.uint8)
        return grey.expand(3, -1, -1)  # Pillow would cut the values at 255
    if picture.mode in ("I", "F"):
        raise BadImageError("its values are 32-bit numbers, and nothing says which is white")
    rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1)
