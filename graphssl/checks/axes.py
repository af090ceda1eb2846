"""How the shapes of tensors fit the axes of ports: the size of each letter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..graph.calls import Call, Slot
from ..ports import Axes, Port, Signature, tensors_of

__all__ = ["Input", "Letters", "Shape", "differing", "inputs_of", "match"]

Shape = tuple[int, ...]
Letters = Mapping[str, tuple[int, str]]  # by letter its size, and the words that say where it comes from


@dataclass(frozen=True)
class Input:
    """A tensor that a call takes: the port, who gives it, the port's axes, its shape as the node sees it, its type."""

    port: Port
    slot: Slot
    axes: Axes
    shape: Shape
    dtype: torch.dtype

    @property
    def giver(self) -> str:
        """Who gives it, and the line; a field of the batch is given by no line."""
        return self.slot.node if self.slot.node.startswith("batch.") else str(self.slot)


def inputs_of(call: Call, ports: Signature, values: Mapping[int, Any]) -> Iterator[Input]:
    """The tensors of a call's arguments that are known; views and positions that it folds are in the batch."""
    for port in ports.inputs:
        argument = call.args.get(port.name)
        for slot in (argument,) if isinstance(argument, Slot) else argument or ():
            if slot.id not in values:
                continue
            for axes, tensor in zip(port.axes, tensors_of(values[slot.id]), strict=False):
                shape = tuple(tensor.shape)
                if axes[:1] == ("b",):
                    rows = shape[: 1 + call.grid] if call.folds(slot) else shape[:1]
                    shape = (math.prod(rows) * call.fold, *shape[len(rows) :])
                yield Input(port, slot, axes, shape, tensor.dtype)


def match(axes: Axes, shape: Shape) -> list[tuple[str, int]] | None:
    """The size of each letter, or None where the number of axes differs. `...` stands for any axes."""
    if "..." not in axes:
        return list(zip(axes, shape, strict=True)) if len(axes) == len(shape) else None
    at = axes.index("...")
    after = len(axes) - at - 1
    if len(shape) < at + after:
        return None
    tail = shape[len(shape) - after :]
    return [*zip(axes[:at], shape, strict=False), *zip(axes[at + 1 :], tail, strict=False)]


def differing(axes: Axes, shape: Shape, known: Letters) -> Iterator[tuple[str, int, str]]:
    """The letters whose size is another than is known: with the size, and the words for the known one."""
    for letter, size in match(axes, shape) or ():
        if letter in known and known[letter][0] != size:
            yield letter, size, known[letter][1]
