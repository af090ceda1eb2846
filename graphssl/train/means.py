"""The numbers that are read of a step: means over the processes, and over the batches of an optimizer step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..world import mean_of_all

__all__ = ["mean_of", "over_all"]


def over_all(output: dict[str, Any], rows: bool) -> dict[str, Any]:
    """An output whose numbers are the means over the processes; `loss` is still the process's own.

    rows: whether what is watched are a process's rows.
    """
    names = [(kind, name) for kind in ("terms", "bounds") for name in output[kind]]
    numbers = [output["loss"].detach(), *(output[kind][name].detach() for kind, name in names)]
    mean, *means = mean_of_all(torch.stack([number.to(numbers[0].dtype) for number in numbers])).unbind()
    found: dict[str, dict[str, Tensor]] = {"terms": {}, "bounds": {}}
    for (kind, name), number in zip(names, means, strict=True):
        found[kind][name] = number
    return {**output, **found, "mean": mean, "rows": rows}


def mean_of(outputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The last of several outputs, with numbers that are the means over all of them."""
    outputs = [{**o, "loss": o["mean"]} for o in outputs]
    last = dict(outputs[-1])
    if len(outputs) > 1:
        last["loss"] = torch.stack([o["loss"] for o in outputs]).mean()
        for kind in ("terms", "bounds"):
            last[kind] = {k: torch.stack([o[kind][k] for o in outputs]).mean() for k in last[kind]}
    return last
