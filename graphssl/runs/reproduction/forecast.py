"""How long a reproduction takes on a GPU, by its arithmetic."""

from __future__ import annotations

import torch

from ...checks.checked import Checked
from ...program.cost import predict
from ..resume import length
from .ledger import Forecast

__all__ = ["RATE", "arithmetic", "hours", "hours_text"]

# FLOP/s of one GPU, a third of the 312e12 in bfloat16 that NVIDIA's data sheet has for an A100. Small pictures reach
# less: lightly's published minutes for BYOL with a ResNet-18 at 32 px come to 14e12.
RATE = 1e14


def arithmetic(checked: Checked) -> Forecast | None:
    """Of one training: what `graphssl check` counts for a step, times the steps. None where nobody knows how many."""
    spec, samples = checked.graph.spec, checked.data.samples
    train = spec.train
    per_epoch = None if samples is None else samples // spec.data.batch // train.accumulate
    if per_epoch is None and train.steps is None:
        return None
    steps = length(train, per_epoch or 0)
    cost = predict(checked.graph, checked.shapes, torch.device("cpu"))
    return Forecast(steps=steps, flops=float(cost.flops) * steps * train.accumulate)


def hours(flops: float) -> float:
    """On one GPU that does `RATE`."""
    return flops / RATE / 3600


def hours_text(flops: float) -> str:
    """`about 3.1 h`, `about 230 h`, or that it is less than a minute."""
    found = hours(flops)
    if found < 1 / 60:
        return "less than a minute"
    return f"about {found:,.0f} h" if found >= 10 else f"about {found:.2g} h"
