"""How shapes fit ports, and why a call that failed on meta tensors does not fit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import Problem
from ..graph.calls import Call, Slot
from ..graph.nodes import Node
from ..language.source import Source
from ..ports import Port, Signature, tensors_of

__all__ = ["Axes", "Failure", "Input", "Letters", "Shape", "first_line", "inputs_of", "match"]

Axes = tuple[str, ...]
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
    """The tensors of a call whose arguments are known; views and positions that it folds are in the batch."""
    for port in ports.inputs:
        argument = call.args.get(port.name)
        for slot in (argument,) if isinstance(argument, Slot) else argument or ():
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


@dataclass(frozen=True)
class Failure:
    """A call that raised, and what was known of the graph then.

    arguments: what the method got, by position and by name. letters: of each node.
    """

    call: Call
    error: Exception
    arguments: tuple[Sequence[Any], Mapping[str, Any]]
    inputs: Sequence[Input]
    nodes: Mapping[str, Node]
    modules: Mapping[str, nn.Module]
    letters: Mapping[str, Letters]

    @property
    def node(self) -> Node:
        return self.nodes[self.call.node]

    def problem(self, source: Source) -> Problem:
        """The likely reason, and where it stands in the source."""
        if isinstance(self.error, ValueError):
            return self._batch_of_one(source) or self._as_it_is()
        return self._pixels() or self._chain(source) or self._sizes(self.call.node) or self._as_it_is()

    def _as_it_is(self) -> Problem:
        message = f"'{self.node.name}' ({self.node.component.name}) cannot take this: {first_line(self.error)}"
        return Problem(message, self.call.span)

    def _batch_of_one(self, source: Source) -> Problem | None:
        """Torch's batch norm of vectors refuses a single one."""
        if not str(self.error).startswith("Expected more than 1 value per channel"):
            return None
        message = f"batch norm in '{self.node.name}' needs more than one sample"
        hint = "take a larger batch, or a norm without statistics of the batch"
        return Problem(message, source.at(("data", "batch")), hint)

    def _pixels(self) -> Problem | None:
        """Images as they are read, of whole numbers, where floats are wanted: with floats the call works."""
        pixels = next((given.giver for given in self.inputs if given.dtype == torch.uint8), None)
        if pixels is None:
            return None
        method = getattr(self.modules[self.call.node], self.call.method)
        args, kwargs = self.arguments
        try:
            method(*map(_floats, args), **{k: _floats(v) for k, v in kwargs.items()})
        except Exception:
            return None
        name = self.node.name
        message = f"'{name}' ({self.node.component.name}) takes floats, but gets uint8 pixels from {pixels}"
        hint = f"an augment node makes floats of them; augment.plain does no more than that: {name}(plain(batch.image))"
        return Problem(message, self.call.span, hint)

    def _chain(self, source: Source) -> Problem | None:
        """Of an average, the node that it follows that cannot take what it gets."""
        if "average" not in self.node.component.traits:
            return None
        before, value = "", None
        for name in self.node.refs():
            args, kwargs = ([value], {}) if before else self.arguments
            try:
                value = self.modules[name](*args, **kwargs)
            except Exception as error:
                return self._link(before, value, name, error, source) if before else self._sizes(name)
            before = name
        return None

    def _link(self, before: str, value: Any, name: str, error: Exception, source: Source) -> Problem:
        """A problem of a chain: what one node gives is nothing for the next."""
        port = self.nodes[name].forward.inputs[0]
        message = f"'{name}' cannot take what '{before}' gives: {first_line(error)}"
        for axes, tensor in zip(port.axes, tensors_of(value), strict=False):
            for letter, size, other in _differing(axes, tuple(tensor.shape), self.letters[name]):
                place = f"in the chain of '{self.node.name}' {name}.{port.name}"
                message = f"{place} has {letter}={size} ({before}) but {other}"
        hint = f"'{self.node.name}' calls its nodes one after the other: those of one chain of the flow"
        return Problem(message, source.at(("nodes", self.node.name, *self.node.component.refs[:1])), hint)

    def _sizes(self, name: str) -> Problem | None:
        """Sizes that differ from those that a node was built for."""
        for given in self.inputs:
            for letter, size, other in _differing(given.axes, given.shape, self.letters[name]):
                message = f"{self.call.node}.{given.port.name} has {letter}={size} ({given.giver}) but {other}"
                return Problem(message, self.call.span, f"one node has one set of weights, for one {letter}")
        return None


def _differing(axes: Axes, shape: Shape, known: Letters) -> Iterator[tuple[str, int, str]]:
    """The letters whose size is another than is known: with the size, and the words for the known one."""
    for letter, size in match(axes, shape) or ():
        if letter in known and known[letter][0] != size:
            yield letter, size, known[letter][1]


def _floats(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.uint8 else value


def first_line(error: Exception) -> str:
    """What an exception says; a ValueError's words are the component's own."""
    text = str(error).strip().split("\n", 1)[0]
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"
