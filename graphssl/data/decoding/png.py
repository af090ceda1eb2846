"""PNGs of 16 bits and several channels, of which Pillow keeps the high bytes only: by torchvision.

Its decoder may end the process at a damaged file, so a file is looked through before (PNG specification, W3C 2003).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Annotated

import torch
from torch import Tensor

from ...errors import reason_of
from .bounds import check_pixels
from .form import BadImageError

__all__ = ["is_deep_png", "of_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIECE = 1 << 20  # bytes unpacked at a time
CHANNELS = {2: 3, 4: 2, 6: 4}  # by colour type, of those with several


def is_deep_png(data: bytes) -> bool:
    """Whether it has 16 bits and several channels."""
    return data.startswith(SIGNATURE) and data[12:16] == b"IHDR" and data[24:25] == b"\x10" and data[25] in CHANNELS


def of_png(data: bytes) -> Annotated[Tensor, "c h w"]:
    """uint16. Raises BadImageError for a file that is damaged."""
    from torchvision.io import ImageReadMode, decode_png

    _check_whole(data)
    try:
        found: Tensor = decode_png(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.UNCHANGED)
    except RuntimeError as error:
        raise BadImageError(reason_of(error)) from error
    return found


def _check_whole(data: bytes) -> None:
    """Raises BadImageError where a chunk or the pixels are not whole."""
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    check_pixels(height, width, 2 * CHANNELS[data[25]])
    interlaced = data[28] != 0  # then rows have several lengths
    wanted = height * (1 + 2 * CHANNELS[data[25]] * width)
    most = 2 * wanted + 64  # of several passes, each with rows of its own
    unpacker, pixels = zlib.decompressobj(), 0
    try:
        for kind, content in _chunks(data):
            while kind == b"IDAT" and content and pixels <= most:
                pixels += len(unpacker.decompress(content, PIECE))
                content = unpacker.unconsumed_tail
    except zlib.error as error:
        raise BadImageError(f"its pixels are damaged: {error}") from error
    if not unpacker.eof or (pixels != wanted and not interlaced):
        raise BadImageError("the file is truncated")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, content, end = data[at + 4 : at + 8], data[at + 8 : at + 8 + length], at + 8 + length
        if len(content) < length or data[end : end + 4] != zlib.crc32(kind + content).to_bytes(4, "big"):
            raise BadImageError("a part of the file is damaged, or missing")
        yield kind, content
        if kind == b"IEND":
            return
        at = end + 4
    raise BadImageError("the file is truncated")
