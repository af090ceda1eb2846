"""One file to one picture: decoded as RGB, the shorter side resized, the centre cropped.

The orientation that a camera writes into EXIF is not applied, as in the field's usual ImageFolder.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"


class BadImageError(Exception):
    """A file that is no readable picture: why, in one line."""


def decode(path: str, size: int) -> Tensor:
    """The picture as uint8, `3 size size`. Raises BadImageError with the reason."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise BadImageError(error.strerror or str(error)) from error
    if not data:
        raise BadImageError("the file is empty")
    return fit(_rgb(data), size)


def fit(image: Tensor, size: int) -> Tensor:
    """uint8 `3 h w` to `3 size size`: the shorter side to `size` (bilinear, antialiased), then the centre.

    Equal to torchvision's Resize(size) and CenterCrop(size).
    """
    h, w = image.shape[1:]
    short = min(h, w)
    if short != size:
        h, w = (size * h // short, size * w // short)
        image = functional.interpolate(image[None], (h, w), mode="bilinear", antialias=True)[0]
    top, left = round((h - size) / 2), round((w - size) / 2)
    return image[:, top : top + size, left : left + size]


def _rgb(data: bytes) -> Tensor:
    """uint8 `3 h w`. What torchvision cannot decode is left to Pillow, which has the last word."""
    native = native_decoder()
    if native is not None and data.startswith((JPEG, PNG)):
        try:
            return _eight_bits(native(torch.frombuffer(bytearray(data), dtype=torch.uint8)))
        except RuntimeError:
            pass
    return _rgb_by_pillow(data)


@functools.cache
def native_decoder() -> Callable[[Tensor], Tensor] | None:
    """torchvision's decoder for JPEG and PNG, if it has one: up to twice as fast as Pillow."""
    try:
        from torchvision.io import ImageReadMode, decode_image
    except ImportError:
        return None
    return functools.partial(decode_image, mode=ImageReadMode.RGB)


def _eight_bits(image: Tensor) -> Tensor:
    return image if image.dtype == torch.uint8 else (image.to(torch.int32) >> 8).to(torch.uint8)


def _rgb_by_pillow(data: bytes) -> Tensor:
    import io

    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            if picture.mode.startswith("I;16"):  # Pillow would cut the values at 255
                grey = _eight_bits(torch.from_numpy(np.asarray(picture).astype(np.int32)))
                return grey.expand(3, -1, -1)
            return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)
    except UnidentifiedImageError as error:
        raise BadImageError("no known picture format") from error
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's plugins raise what they like on damaged files: SyntaxError, struct.error, IndexError...
        raise BadImageError(str(error) or type(error).__name__) from error
