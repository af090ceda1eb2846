"""Pictures that are arrays, or Pillow's, as those that are read of files: `c h w`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .decode import BadImageError, rgb_of_pillow

__all__ = ["of_array", "of_pillow"]


def of_array(array: Any) -> Tensor:
    """uint8 `3 h w` of `h w`, `h w 3` or `3 h w`. Raises BadImageError for anything else."""
    import numpy as np

    values = np.asarray(array)
    shape = " ".join(map(str, values.shape))
    if values.dtype != np.uint8:
        raise BadImageError(f"its values are {values.dtype}, and the data says uint8")
    if values.ndim == 2:
        values = np.broadcast_to(values[..., None], (*values.shape, 3))
    if values.ndim != 3 or 0 in values.shape:
        raise BadImageError(f"an array of {shape} is no picture: h w, h w 3 or 3 h w")
    if values.shape[-1] == 3:
        values = values.transpose(2, 0, 1)
    elif values.shape[0] != 3:
        raise BadImageError(f"an array of {shape} has no axis of 3 channels")
    return torch.from_numpy(np.array(values))


def of_pillow(picture: Any) -> Tensor:
    """uint8 `3 h w`. Raises BadImageError with the reason."""
    try:
        return rgb_of_pillow(picture)
    except (BadImageError, MemoryError):
        raise
    except Exception as error:  # Pillow raises what it likes
        raise BadImageError(str(error) or type(error).__name__) from error
