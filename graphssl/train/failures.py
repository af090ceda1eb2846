"""What stops a training, with what usually helps."""

from __future__ import annotations

from pathlib import Path

import torch

from ..data.place import free_device_memory, free_memory
from ..errors import RunError, reason_of
from ..program.cost import memory_text, predict
from ..program.program import Program
from .precision import Precision

__all__ = ["not_finite", "too_large"]


def too_large(batch: int, program: Program, precision: Precision, device: torch.device, error: Exception) -> RunError:
    """A step that the device has too little memory for: where it ran out, what it should need, and what is there."""
    said = reason_of(error).partition("DefaultCPUAllocator: ")
    name = program.node_in(error)
    forecast = _forecast(program, precision, device)
    return RunError(
        f"a step with a batch of {batch} does not fit the memory of {device}{f', at {name!r}' if name else ''} "
        f"({(said[2] or said[0]).rstrip('.')}).{forecast} "
        "A smaller data.batch, data.batch: auto, or recompute: true in the encoder helps."
    )


def _forecast(program: Program, precision: Precision, device: torch.device) -> str:
    """What the step should need, of which `check` tells too; nothing where that cannot be said."""
    processes = program.placing.processes
    shapes = program.shapes if processes == 1 else None  # of a process's part nothing is at hand
    if shapes is None:
        return ""
    try:
        cost = predict(program.graph, shapes, device, precision.dtype)
    except Exception:  # whatever a component raises, or memory
        return ""
    free = free_device_memory(device) if device.type == "cuda" else free_memory()
    return f" It should need {memory_text(cost, precision.name)}, and {free / 2**30:,.1f} GiB are free now."


def not_finite(step: int, terms: str, checkpoint: Path | None) -> RunError:
    """A loss that is infinite or no number. step: from 0. terms: their values. checkpoint: the last good one."""
    kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint yet"
    return RunError(
        f"the loss is not finite at step {step + 1} ({terms}); {kept}. "
        "A lower learning rate, a longer warm-up, train.clip or fp32 usually help."
    )
