"""One file to one picture: decoded as RGB, the shorter side resized, the centre cropped.

A JPEG whose shorter side is 8 times the size or more is decoded at a fraction of it (libjpeg's scaling), at twice the
size or more, which is up to twice as fast: half a grey level from the whole decoding in the mean, about 3 at most.
The orientation that a camera writes into EXIF is not applied, as in the field's usual ImageFolder.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

JPEG = b"\xff\xd8\xff"
LARGE = 8  # times the size that is wanted
SIXTEEN = ("PNG", "PPM")  # of which Pillow makes numbers of 32 bits


class BadImageError(Exception):
    """A file that is no readable picture: why, in one line."""


def decode(path: str, size: int) -> Tensor:
    """The picture of a file as uint8, `3 size size`. Raises BadImageError with the reason."""
    return picture(read(path), size)


def read(path: str) -> bytes:
    """What a file holds. Raises BadImageError with the reason."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadImageError(error.strerror or str(error)) from error


def picture(data: bytes, size: int) -> Tensor:
    """The picture in a file's bytes as uint8, `3 size size`. Raises BadImageError with the reason."""
    if not data:
        raise BadImageError("the file is empty")
    return fit(_rgb_by_pillow(data, 2 * size) if _is_photo(data, size) else _rgb(data), size)


def fit(image: Tensor, size: int) -> Tensor:
    """uint8 `3 h w` to `3 size size`: the shorter side to `size` (bilinear, antialiased), then the centre.

    Equal to torchvision's Resize(size) and CenterCrop(size).
    """
    h, w = image.shape[1:]
    short = min(h, w)
    if short != size:
        h, w = (size * h // short, size * w // short)
        image = _resized(image, h, w) if image.device.type == "cpu" else _resized(image.float(), h, w).round().byte()
    top, left = round((h - size) / 2), round((w - size) / 2)
    return image[:, top : top + size, left : left + size]


def _resized(image: Tensor, height: int, width: int) -> Tensor:
    """Of the type that it has: a CPU knows bytes, a GPU does not."""
    return functional.interpolate(image[None], (height, width), mode="bilinear", antialias=True)[0]


def _is_photo(data: bytes, size: int) -> bool:
    """Whether a JPEG is so large that it need not be decoded whole."""
    least = LARGE * size
    if not data.startswith(JPEG) or len(data) < least * least // 16:  # half a bit for a pixel
        return False
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as opened:
            return min(opened.size) >= least
    except Exception:  # as below
        return False


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


def _rgb_by_pillow(data: bytes, least: int | None = None) -> Tensor:
    """least: the shorter side may be decoded at a half, a quarter or an eighth, but at no less than this."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            if least is not None:
                picture.draft(None, (least, least))
            picture.load()
            if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in SIXTEEN):
                grey = torch.from_numpy(np.asarray(picture).astype(np.int32) >> 8).to(torch.uint8)
                return grey.expand(3, -1, -1)  # Pillow would cut the values at 255
            if picture.mode in ("I", "F"):
                raise BadImageError("its values are 32-bit numbers, and nothing says which is white")
            rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
            return torch.from_numpy(np.array(rgb)).permute(2, 0, 1)
    except UnidentifiedImageError as error:
        raise BadImageError("no known picture format") from error
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's plugins raise what they like on damaged files: SyntaxError, struct.error, IndexError...
        raise BadImageError(str(error) or type(error).__name__) from error
