"""What a study takes: how long a step is, how many there are, and how much memory."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ...checks.checked import Checked
from ...errors import GraphError, RunError, ran_out
from ...program.cost import Cost, predict
from ...train.precision import resolve
from ..resume import length
from ..steps import take_steps
from .cells import Cell

__all__ = ["Forecast", "forecast"]

STEPS, LONGEST = 4, 10.0  # steps that are measured, and seconds in which they are


@dataclass(frozen=True)
class Forecast:
    """seconds: of a run of each cell's training, by digest; None where the data do not say how much there is, or no
    step was measured. memory: bytes of the largest step."""

    seconds: dict[str, float | None]
    memory: int


def forecast(cells: Sequence[Cell], device: torch.device, *, measure: bool = True) -> Forecast:
    """By a measured step of the first cell, and the arithmetic of the others beside it. Raises GraphError for a cell
    whose backward pass fails."""
    costs = {cell.digest: _cost(cell.checked, device) for cell in cells}
    first = cells[0]
    step = _measured(first.checked, device) if measure else None
    flops = max(costs[first.digest].flops, 1)
    seconds = {
        cell.digest: None if step is None else _seconds(cell.checked, step * costs[cell.digest].flops / flops)
        for cell in cells
    }
    return Forecast(seconds, max(cost.memory for cost in costs.values()))


def _cost(checked: Checked, device: torch.device) -> Cost:
    precision = resolve(checked.graph.spec.train.precision, device)
    return predict(checked.graph, checked.shapes, device, precision.dtype)


def _seconds(checked: Checked, step: float) -> float | None:
    """Of a cell's whole training; None where nobody knows how many samples there are."""
    spec, samples = checked.graph.spec, checked.data.samples
    if spec.train.steps is not None:
        return step * spec.train.steps
    if not samples:
        return None
    return step * length(spec.train, max(samples // spec.data.batch // spec.train.accumulate, 1))


def _measured(checked: Checked, device: torch.device) -> float | None:
    """Seconds of an optimizer step, the first left out, which prepares; None where it does not fit."""
    precision = resolve(checked.graph.spec.train.precision, device)
    steps = take_steps(checked, device, precision, checked.graph.spec.data.batch, STEPS)
    taken: list[float] = []
    try:
        while sum(taken) < LONGEST and (seconds := next(steps, None)) is not None:
            taken.append(seconds)
    except (GraphError, RunError):
        return None
    except Exception as error:
        if not ran_out(error):
            raise
        return None
    return statistics.median(taken[1:] or taken)
