"""What a store of keys holds before the first one comes."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["random_directions"]


def random_directions(n: int, d: int) -> Annotated[Tensor, "n d"]:
    """Unit vectors, uniform on the sphere."""
    return functional.normalize(torch.randn(n, d), dim=1)
