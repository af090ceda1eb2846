"""What stops a training, with what usually helps."""

from __future__ import annotations

from pathlib import Path

import torch

from ..errors import RunError, reason_of

__all__ = ["not_finite", "too_large"]


def too_large(batch: int, device: torch.device, error: Exception) -> RunError:
    """A step that the device has too little memory for."""
    return RunError(
        f"a step with a batch of {batch} does not fit the memory of {device} "
        f"({reason_of(error).rstrip('.')}). "
        "A smaller data.batch, data.batch: auto, or recompute: true in the encoder helps."
    )


def not_finite(step: int, terms: str, checkpoint: Path | None) -> RunError:
    """A loss that is infinite or no number. step: from 0. terms: their values. checkpoint: the last good one."""
    kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint yet"
    return RunError(
        f"the loss is not finite at step {step + 1} ({terms}); {kept}. "
        "A lower learning rate, a longer warm-up, train.clip or fp32 usually help."
    )
