"""How much memory the pictures of a split will take when they are decoded, from the headers of some of them."""

from __future__ import annotations

import torch

from .batch import Pictures
from .decode import RGB, BadImageError, Form, size_in

__all__ = ["foreseen"]

LOOKS = 256  # headers that are read


def foreseen(files: Pictures, form: Form = RGB) -> int:
    """Bytes of all pictures, each at its own size: the mean of some, spread evenly over the split, times their number.

    0 where none can be read. Exact where all are of one size.
    """
    n = len(files.paths)
    positions = sorted(set(torch.linspace(0, n - 1, min(n, LOOKS)).long().tolist()))
    found = [size for position in positions if (size := _size(files, position, form)) is not None]
    return round(form.bytes(n * sum(h * w for h, w in found)) / len(found)) if found else 0


def _size(files: Pictures, position: int, form: Form) -> tuple[int, int] | None:
    try:
        picture = files.sample(position).picture
        return size_in(picture, form) if isinstance(picture, bytes) else (picture.shape[1], picture.shape[2])
    except BadImageError:
        return None
