"""Why a call that failed on meta tensors failed: the likely reason, in the words of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import RAISED, Problems, Refused
from ..graph.calls import Call
from ..graph.graph import Graph
from ..graph.language.source import SET
from ..graph.nodes import Node
from ..graph.slips import slip_of
from ..ports import tensors_of
from .axes import Input, Letters, differing

__all__ = ["Failure"]


@dataclass(frozen=True)
class Failure:
    """A call that raised, and what was known of the graph then.

    arguments: what the method got, by position and by name. letters: of each node.
    """

    call: Call
    error: BaseException
    arguments: tuple[Sequence[Any], Mapping[str, Any]]
    inputs: Sequence[Input]
    graph: Graph
    modules: Mapping[str, nn.Module]
    letters: Mapping[str, Letters]

    @property
    def node(self) -> Node:
        return self.graph.nodes[self.call.node]

    def note(self, found: Problems) -> None:
        """Notes the likely reason: that of the first who knows one."""
        refused = isinstance(self.error, ValueError)
        for look in (self._batch_of_one,) if refused else (self._pixels, self._chain, self._sizes_here):
            reasons = Problems()
            look(reasons)
            if reasons:
                found.merge(reasons)
                return
        name, slip, at = self.node.name, slip_of(self.error), self.call.span
        message = f"'{name}' ({self.node.component.name}) cannot take this: {slip.reason}"
        if isinstance(self.error, Refused):
            given = self.graph.source.at(("data", "batch"))
            at = given if self.error.option == "batch" and given.file == SET else at
        found.add(message, at, slip.hint, about=name, reason=slip.reason, own=slip.own)

    def _batch_of_one(self, found: Problems) -> None:
        """Torch's batch norm of vectors refuses a single one."""
        if str(self.error).startswith("Expected more than 1 value per channel"):
            message = f"batch norm in '{self.node.name}' needs more than one sample"
            hint = "take a larger batch, or a norm without statistics of the batch"
            found.add(message, self.graph.source.at(("data", "batch")), hint)

    def _pixels(self, found: Problems) -> None:
        """Images as they are read, of whole numbers, where floats are wanted: with floats the call works."""
        pixels = next((given.giver for given in self.inputs if given.dtype == torch.uint8), None)
        if pixels is None:
            return
        method = getattr(self.modules[self.call.node], self.call.method)
        args, kwargs = self.arguments
        try:
            method(*map(_floats, args), **{k: _floats(v) for k, v in kwargs.items()})
        except RAISED:
            return
        name = self.node.name
        message = f"'{name}' ({self.node.component.name}) takes floats, but gets uint8 pixels from {pixels}"
        hint = f"an augment node makes floats of them; augment.plain does no more than that: {name}(plain(batch.image))"
        found.add(message, self.call.span, hint)

    def _chain(self, found: Problems) -> None:
        """Of an average, the node that it follows that cannot take what it gets."""
        if "average" not in self.node.component.traits:
            return
        before, value = "", None
        for name in self.node.refs():
            args, kwargs = ([value], {}) if before else self.arguments
            try:
                value = self.modules[name](*args, **kwargs)
            except RAISED as error:
                if before:
                    self._link(before, value, name, error, found)
                else:
                    self._sizes(name, found)
                return
            before = name

    def _link(self, before: str, value: Any, name: str, error: BaseException, found: Problems) -> None:
        """Notes a chain that does not hold: what one node gives is nothing for the next."""
        port = self.graph.nodes[name].forward.inputs[0]
        message = f"'{name}' cannot take what '{before}' gives: {slip_of(error).reason}"
        for axes, tensor in zip(port.axes, tensors_of(value), strict=False):
            for letter, size, other in differing(axes, tuple(tensor.shape), self.letters[name]):
                place = f"in the chain of '{self.node.name}' {name}.{port.name}"
                message = f"{place} has {letter}={size} ({before}) but {other}"
        hint = f"'{self.node.name}' calls its nodes one after the other: those of one chain of the flow"
        found.add(message, self.graph.source.at(("nodes", self.node.name, *self.node.component.refs[:1])), hint)

    def _sizes_here(self, found: Problems) -> None:
        self._sizes(self.call.node, found)

    def _sizes(self, name: str, found: Problems) -> None:
        """Sizes that differ from those that a node was built for: the first of them."""
        for given in self.inputs:
            for letter, size, other in differing(given.axes, given.shape, self.letters[name]):
                message = f"{self.call.node}.{given.port.name} has {letter}={size} ({given.giver}) but {other}"
                found.add(message, self.call.span, f"one node has one set of weights, for one {letter}")
                return


def _floats(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.uint8 else value
