"""Pictures that are arrays, `.npy` files among them, or Pillow's."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from ...errors import reason_of
from .form import BadImageError, Form, checked

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["NPY", "high_bytes", "is_sixteen", "of_array", "of_npy", "of_pillow"]

NPY = b"\x93NUMPY"
SIXTEEN = ("PNG", "PPM")  # of which Pillow makes numbers of 32 bits


def of_npy(data: bytes, form: Form) -> Annotated[Tensor, "c h w"]:
    """The array that numpy has saved. Raises BadImageError with the reason."""
    import numpy as np

    try:
        _check_header(data)
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise BadImageError(f"no whole .npy file: {reason_of(error)}") from error
    return of_array(array, form)


def _check_header(data: bytes) -> None:
    """Raises ValueError where the file has fewer bytes than its header says: numpy would make room for all."""
    from numpy.lib import format as npy

    file = io.BytesIO(data)
    version = npy.read_magic(file)
    known = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    if version not in ((1, 0), (2, 0)):
        return  # numpy says what it is
    shape, _, dtype = known(file)
    there, said = len(data) - file.tell(), math.prod(shape) * dtype.itemsize
    if there < said and not dtype.hasobject:
        raise ValueError(f"it has {there:,} bytes of values, and its header says {said:,}")


def of_array(array: Any, form: Form) -> Annotated[Tensor, "c h w"]:
    """A picture of `h w`, `h w c` or `c h w`: where both fit, the last axis is the channels.

    Where anything is made RGB, `h w` of bytes is grey, and of four channels the last is left out.
    Raises BadImageError with the reason.
    """
    import numpy as np

    values = np.asarray(array)
    shape, channels = " ".join(map(str, values.shape)), form.channels
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise BadImageError(f"an array of {shape or 'no axes'} is no picture: h w, h w c or c h w")
    if form.channels and values.dtype.name != form.dtype:
        raise BadImageError(f"its values are {values.dtype.name}, and the data says {form.dtype}")
    if values.ndim == 2:
        values = values[None]
    elif values.shape[-1] == channels or (values.shape[0] != channels and values.shape[-1] < values.shape[0]):
        values = values.transpose(2, 0, 1)
    if form.converts and len(values) == 4:  # the last is transparency, which is dropped of Pillow's pictures too
        values = values[:3]
    elif form.converts and len(values) == 1:
        values = np.broadcast_to(values, (channels, *values.shape[1:]))
    return checked(torch.from_numpy(np.array(values, dtype=values.dtype.newbyteorder("="))), form)


def of_pillow(picture: Image, form: Form) -> Annotated[Tensor, "c h w"]:
    """Raises BadImageError for what is no picture as the data says, and whatever Pillow raises."""
    import numpy as np

    sixteen = is_sixteen(picture)
    if not form.converts:
        return checked(_as_it_is(picture, sixteen=sixteen), form)
    if sixteen:
        return high_bytes(picture).expand(3, -1, -1)
    if picture.mode in ("I", "F"):
        raise BadImageError("its values are 32-bit numbers, and nothing says which is white")
    rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1)


def is_sixteen(picture: Image) -> bool:
    """Whether its values are whole numbers of 16 bits."""
    return picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in SIXTEEN)


def high_bytes(picture: Image) -> Annotated[Tensor, "h w"]:
    """Of 16 bits the upper eight, uint8: Pillow would cut the values at 255."""
    import numpy as np

    return torch.from_numpy(np.asarray(picture).astype(np.int32) >> 8).to(torch.uint8)


def _as_it_is(picture: Image, *, sixteen: bool) -> Annotated[Tensor, "c h w"]:
    """With its own channels and depth; a palette's colours are RGB, or RGBA."""
    import numpy as np

    if picture.mode == "I" and not sixteen:
        raise BadImageError("its values are 32-bit whole numbers")
    if picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if "transparency" in picture.info or picture.mode == "PA" else "RGB")
    elif picture.mode == "1":
        picture = picture.convert("L")
    values = np.array(picture, dtype=np.uint16 if sixteen else np.float32 if picture.mode == "F" else np.uint8)
    return torch.from_numpy(values.reshape(*values.shape[:2], -1)).permute(2, 0, 1)
