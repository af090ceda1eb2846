"""Numbers that need their digits: float32 at least, autocast off, unit vectors with a bounded gradient."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from graphssl.ports import exact

__all__ = ["Momentum", "exact", "unit", "wide"]

Momentum = Annotated[float, Field(ge=0, le=1)]  # what a running state keeps of itself


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32, or in what it is if that is wider."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def unit(vectors: Annotated[Tensor, "... d"]) -> Annotated[Tensor, "... d"]:
    """Vectors of length one; those shorter than 1e-6 are scaled by 1e6, so that gradients stay bounded.

    The bound is that of `tf.math.l2_normalize`, which SimCLR's and BYOL's code use.
    """
    return functional.normalize(vectors, dim=-1, eps=1e-6)
