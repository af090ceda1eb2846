"""Picture files of several channels and depths, for tests of what is read of them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

TYPES = {"uint8": np.uint8, "uint16": np.uint16, "float32": np.float32}


def values(seed: int, channels: int, dtype: str = "uint16", h: int = 20, w: int = 24) -> np.ndarray:
    """`h w c`, over the whole range of the type."""
    made = np.random.RandomState(seed).rand(h, w, channels)
    return (made * (1 if dtype == "float32" else np.iinfo(TYPES[dtype]).max)).astype(TYPES[dtype])


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def tiff(array: np.ndarray, **options: Any) -> bytes:
    """By tifffile."""
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def deep_png(array: np.ndarray) -> bytes:
    """A PNG of 16 bits and 2, 3 or 4 channels, `h w c`, its rows without a filter."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    h, w, channels = array.shape
    head = struct.pack(">IIBBBBB", w, h, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
