"""Where a run computes, and what is set there before it does."""

from __future__ import annotations

import os

import torch

from ..console import started
from ..errors import UsageError
from .malloc import keep_freed

__all__ = ["choose_device", "prepare"]


def choose_device(name: str) -> torch.device:
    """`auto` is a GPU where there is one; of several processes on a machine each has the one of its number."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and started():
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device here; leave --device out, or say --device cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device).tolist()  # fails where there is no such device, and on meta
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UsageError(f"'{name}' is no device here: auto, cpu, cuda or cuda:1, say") from None
    return device


def prepare(device: torch.device) -> None:
    """Has the libraries of a device do best for batches of one shape."""
    if device.type == "cuda" and not torch.are_deterministic_algorithms_enabled():
        torch.backends.cudnn.benchmark = True
    if device.type == "cpu":
        keep_freed()
