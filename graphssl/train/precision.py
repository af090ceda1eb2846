"""Precision of the forward pass: float32, or bfloat16 or float16 by autocast. Weights are float32 in each of them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.amp import GradScaler

from ..errors import RunError

__all__ = ["Precision", "resolve"]

Name = Literal["fp32", "bf16", "fp16"]
DTYPES: dict[Name, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Precision:
    """How the forward pass computes. scaler: keeps float16 gradients from underflowing; None otherwise."""

    name: Name
    device: torch.device
    scaler: GradScaler | None = None

    @property
    def dtype(self) -> torch.dtype:
        """What matrix products and convolutions are computed in."""
        return DTYPES[self.name]

    def autocast(self) -> AbstractContextManager[Any]:
        """The context of a forward pass; one that does nothing for fp32."""
        if self.name == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss as the backward pass starts from it."""
        return loss if self.scaler is None else self.scaler.scale(loss)

    def descend(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """One step on the gradient of a loss alone; none where float16 has overflown."""
        optimizer.zero_grad(set_to_none=True)
        self.scaled(loss).backward()
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()


def resolve(precision: str, device: torch.device) -> Precision:
    """What `train.precision` means on a device: auto, fp32, bf16 or fp16.

    auto is bf16 on a GPU that computes in it, otherwise fp32: a CPU gets bf16 or fp16, which may be far slower
    there, only when asked. fp32 on CUDA leaves PyTorch's own settings for TF32 alone (convolutions use it, matrix
    products do not, unless `torch.set_float32_matmul_precision` says so). Raises RunError for a precision that the
    device does not have.
    """
    if precision == "auto":
        return Precision("bf16" if device.type == "cuda" and _has_bf16(device) else "fp32", device)
    if precision == "fp32":
        return Precision("fp32", device)
    if precision not in DTYPES:
        raise RunError(f"there is no precision '{precision}': auto, fp32, bf16 or fp16")
    if not torch.amp.is_autocast_available(device.type):
        raise RunError(f"train.precision is {precision}, which {device} does not have; use fp32")
    if precision == "fp16":
        return Precision("fp16", device, GradScaler(device.type))
    if device.type == "cuda" and not _has_bf16(device):
        name = torch.cuda.get_device_name(device)
        raise RunError(f"train.precision is bf16, which this GPU ({name}) does not compute in; use fp16 or fp32")
    return Precision("bf16", device)


def _has_bf16(device: torch.device) -> bool:
    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
