"""One file to one picture, decoded whole and at its own resolution.

Where the data says nothing else, everything is made RGB bytes: grey and palettes are converted, of 16 bits the high
byte is taken. Where it says how many channels and which type, a picture is taken as it is, and another one is refused.
The orientation that a camera writes into EXIF is applied where the data says so, and else not, as in the field's usual
ImageFolder.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from ..errors import reason_of
from .decoding.arrays import NPY, of_npy, of_pillow
from .decoding.bounds import check_pixels, jpeg_size, opened_by_pillow, read_file, what_it_is
from .decoding.form import RGB, BadImageError, Form, checked
from .decoding.png import is_deep_png, of_png
from .decoding.tiff import Elsewhere, of_tiff
from .decoding.upright import TIFF, orientation_in, orientation_of, turned

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["JPEG", "RGB", "BadImageError", "Form", "decode", "native_decoder", "read", "size_in"]

JPEG = b"\xff\xd8\xff"


def read(path: str) -> bytes:
    """What a file holds. Raises BadImageError with the reason: also for a pipe, a device, and what is too large."""
    return read_file(path)


def decode(data: bytes, form: Form = RGB) -> Annotated[Tensor, "c h w"]:
    """The picture in a file's bytes, of that form. Raises BadImageError with the reason."""
    if not data:
        raise BadImageError("the file is empty")
    if data.startswith(NPY):
        return of_npy(data, form)
    if form.converts:
        return _by_torchvision(data, form) if data.startswith(JPEG) else _by_pillow(data, form)
    if data.startswith(TIFF):
        with contextlib.suppress(Elsewhere):
            return checked(of_tiff(data, form.channels), form)
    if is_deep_png(data):
        return _upright(checked(of_png(data), form), data, form)
    grey_or_rgb = data.startswith(JPEG) and form.channels in (0, 1, 3)
    return _by_torchvision(data, form) if grey_or_rgb else _by_pillow(data, form)


def size_in(data: bytes, form: Form = RGB) -> tuple[int, int] | None:
    """Height and width of the picture in a file's bytes, by its header if that says them; None where it has none."""
    with contextlib.suppress(Exception), opened_by_pillow(data) as opened:  # Pillow raises what it likes
        return opened.height, opened.width
    with contextlib.suppress(BadImageError):
        picture = decode(data, form)
        return picture.shape[1], picture.shape[2]
    return None


def _by_torchvision(data: bytes, form: Form) -> Annotated[Tensor, "c h w"]:
    """Of a JPEG. What torchvision cannot decode is left to Pillow, which has the last word."""
    native, size = native_decoder(as_it_is=not form.converts), jpeg_size(data)
    if size is not None:
        check_pixels(*size, 3)
    if native is not None and size is not None:
        with contextlib.suppress(RuntimeError), _quiet_worker():
            picture = native(torch.frombuffer(bytearray(data), dtype=torch.uint8))
            if form.converts or len(picture) in (1, 3):
                return _upright(checked(picture, form), data, form)
    return _by_pillow(data, form)


@contextlib.contextmanager
def _quiet_worker() -> Iterator[None]:
    """In a worker process, without what libjpeg prints by itself of a file that is a little damaged."""
    if get_worker_info() is None:
        yield
        return
    kept = os.dup(2)
    os.dup2(_nowhere(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@functools.cache
def _nowhere() -> int:
    return os.open(os.devnull, os.O_WRONLY)


def _upright(picture: Tensor, data: bytes, form: Form) -> Tensor:
    return turned(picture, orientation_in(data)) if form.upright else picture


@functools.cache
def native_decoder(*, as_it_is: bool = False) -> Callable[[Tensor], Tensor] | None:
    """torchvision's decoder for JPEG, if it has one: three times as fast as Pillow. Its one for PNG ends the process
    at a damaged file. as_it_is: grey stays grey; else all is made RGB.
    """
    try:
        from torchvision.io import ImageReadMode, decode_jpeg
    except ImportError:
        return None
    return functools.partial(decode_jpeg, mode=ImageReadMode.UNCHANGED if as_it_is else ImageReadMode.RGB)


def _by_pillow(data: bytes, form: Form) -> Annotated[Tensor, "c h w"]:
    from PIL import UnidentifiedImageError

    try:
        with opened_by_pillow(data) as picture:
            _refuse_cut_depth(picture, data, form)
            picture.load()
            values = of_pillow(picture, form)
            return turned(values, orientation_of(picture)) if form.upright else values
    except UnidentifiedImageError as error:
        what = what_it_is(data)
        raise BadImageError("no known picture format" + (f": {what}" if what else "")) from error
    except (MemoryError, BadImageError):
        raise
    except Exception as error:
        # Pillow's plugins raise what they like on damaged files: SyntaxError, struct.error, IndexError...
        raise BadImageError(reason_of(error)) from error


def _refuse_cut_depth(picture: Image, data: bytes, form: Form) -> None:
    """Raises BadImageError for what Pillow would make bytes of, without saying so."""
    if form.converts or picture.mode in ("F", "I") or picture.mode.startswith("I;16"):
        return
    if picture.format == "TIFF":
        bits = picture.tag_v2.get(258, (8,))  # type: ignore[attr-defined]  # of a TIFF
        pages = getattr(picture, "n_frames", 1)
        if max(bits if isinstance(bits, tuple) else (bits,)) > 8 or pages > 1:
            raise BadImageError("it is compressed in a way that only the package imagecodecs reads")
    elif picture.format == "PPM" and data[:2] == b"P6" and b"65535" in data[:64]:
        raise BadImageError("it is a PPM of 16 bits and three channels: PNG keeps them")
