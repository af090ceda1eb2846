"""What one picture may take: no file of anybody's stops a run or fills its memory.

A picture, and the file that it is in, is of at most 2 GiB, which `GRAPHSSL_LARGEST_PICTURE` changes (in MiB): 26,000 x
26,000 pixels of RGB. Sizes are asked of headers, before anything is decoded.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ...errors import RunError
from ...files import NotRegular, opened_regular, special
from ..place import free_memory
from .form import BadImageError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["LARGEST", "check_pixels", "jpeg_size", "largest", "opened", "opened_by_pillow", "read_file", "what_it_is"]

LARGEST = "GRAPHSSL_LARGEST_PICTURE"
MIB, GIB = 1 << 20, 1 << 30
DEFAULT = 2 * GIB
LARGE = 1 << 26  # bytes, from which on a file is looked at before it is read, and memory before it is taken
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# How files of pictures begin; and the fifth to eighth byte of others.
KINDS = (b"\xff\xd8\xff", b"\x89PNG", b"II", b"MM", b"GIF8", b"BM", b"P", b"\x93NUMPY", b"\xff\x4f\xff\x51", b"RIFF")
BOXES, TGA = (b"ftyp", b"jP  "), (1, 2, 3, 9, 10, 11)
NOT_READ = {
    b"ftyphei": "HEIC", b"ftypmif1": "HEIF", b"ftypmsf1": "HEIF", b"ftypavi": "AVIF", b"jP  ": "JPEG 2000",
    b"JXL ": "JPEG XL", b"<svg": "SVG", b"%PDF": "PDF", b"8BPS": "Photoshop's", b"PK\3\4": "a zip", b"DICM": "DICOM",
}  # fmt: skip


def largest() -> int:
    """Bytes that one picture may take, decoded or in its file. Raises RunError for a variable that is no number."""
    said = os.environ.get(LARGEST, "")
    if not said:
        return DEFAULT
    if not (said.isascii() and said.isdecimal() and int(said[:18]) > 0):
        raise RunError(f"{LARGEST} is {said!r}: it should be a whole number of MiB, such as {DEFAULT // MIB}")
    return int(said[:18]) * MIB


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """A file that is a regular one. Raises OSError, BadImageError for what is none: a pipe, say, never ends."""
    try:
        with opened_regular(path) as file:
            yield file
    except NotRegular as error:
        raise BadImageError(str(error.strerror)) from None


def read_file(path: str) -> bytes:
    """What the file of a picture holds. Raises BadImageError with the reason."""
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            check_bytes(size, "the file has")
            if size > LARGE:
                start = file.read(16)
                if not (start.startswith(KINDS) or start[4:8] in BOXES or start[2] in TGA):
                    raise BadImageError(f"no known picture format: {what_it_is(start) or 'it begins as none'}")
                file.seek(0)
            return file.read(size)  # of a file under /proc, nothing: reading some never ends
    except OSError as error:
        found = special(Path(path)) if error.errno == errno.ENXIO else None  # a socket cannot even be opened
        raise BadImageError(f"it is {found}, and no regular file" if found else error.strerror or str(error)) from error
    except ValueError as error:  # a name with a null character
        raise BadImageError(str(error)) from error


def check_bytes(size: int, what: str) -> None:
    """Raises BadImageError where so many are too many, MemoryError where there is no room for them."""
    most = largest()
    if size > most:
        raise BadImageError(
            f"{what} {size / GIB:,.1f} GiB, and a picture may have {most / GIB:,.1f} GiB ({LARGEST} says how many MiB)"
        )
    if size > LARGE and size > (free := free_memory()):
        raise MemoryError(f"{what} {size / GIB:,.1f} GiB, and {free / GIB:,.1f} GiB of memory are free")


def check_pixels(height: int, width: int, each: int) -> None:
    """Raises as `check_bytes` for a picture of that size. each: bytes of a pixel."""
    if height * width * each > LARGE:
        check_bytes(height * width * each, f"{width:,} x {height:,} pixels take")


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Height and width that a JPEG's header says, None where it says none."""
    at = 2
    while at + 10 <= len(data):
        if data[at] != 0xFF:  # libjpeg passes over what stands between segments
            if (at := data.find(b"\xff", at)) < 0:
                return None
            continue
        marker = data[at + 1]
        if marker in FRAMES:
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        # Bytes that fill up and markers without a length are passed over.
        alone = marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD8
        at += (1 if marker == 0xFF else 2) if alone else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


@contextlib.contextmanager
def opened_by_pillow(data: bytes) -> Iterator[Image]:
    """The picture with its header read. Raises what Pillow raises, BadImageError where it would be too large."""
    from PIL import Image

    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # there is a bound of ours
    try:
        picture = Image.open(io.BytesIO(data))
    finally:
        Image.MAX_IMAGE_PIXELS = most
    with picture:
        each = 4 if picture.mode in ("I", "F") else 2 if picture.mode.startswith("I;16") else 1
        check_pixels(picture.height, picture.width, max(each * len(picture.getbands()), 3))
        yield picture


def what_it_is(data: bytes) -> str | None:
    """The format of a file that is not read here, as its first bytes say it, in a sentence."""
    start = data[:512]
    found = next((name for sign, name in NOT_READ.items() if sign in start), None)
    return None if found is None else f"it is {found}, which is not read here"
