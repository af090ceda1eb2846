"""Tensors of a file that claim more numbers than the file has: read, they would take memory without end."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["spread"]

MOST = 1 << 30  # bytes that numbers which are stored once may take in all, where each of them is one of its own


def spread(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """Why tensors as they were read, by their names, must not be copied; None where nothing is wrong with them."""
    beyond = 0
    for name, tensor in tensors:
        if tensor.is_nested or tensor.layout != torch.strided or tensor.device.type == "meta":
            return f"'{name}' is no plain tensor"
        claimed, stored = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
        beyond += claimed if claimed > stored else 0
        if beyond > MOST:
            there = stored // tensor.element_size()
            return f"'{name}' claims {tensor.numel():,} numbers, of which {there:,} are stored"
    return None
