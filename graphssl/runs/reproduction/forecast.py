"""How long a reproduction takes on a GPU, by its arithmetic."""

from __future__ import annotations

import torch

from ...checks.checked import Checked
from ...program.cost import predict
from ..resume import length
from .ledger import Forecast

__all__ = ["arithmetic"]


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
