"""Values on the meta device, by slot: what a call is given of them, and where what it gives goes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from ..component import DataFacts
from ..errors import Problems, Refused, Span
from ..graph.calls import Argument, Call, Slot
from ..graph.graph import Graph
from ..ports import KINDS, Port, Signature, flattened, joined, parted, tensors_of, unflattened
from .axes import Input, Shape, inputs_of, match

__all__ = ["Values"]


class Values:
    """The values of a graph that are known so far: at first those of the batch. known: by the slot's id."""

    def __init__(self, graph: Graph, data: DataFacts, batch: int) -> None:
        self.known: dict[int, Any] = {}
        self._graph, self._batch = graph, batch
        shapes = {"image": ((batch, data.channels, *data.image), getattr(torch, data.dtype))}
        for name, slot in graph.batch.items():
            shape, kind = shapes.get(name, ((batch,), torch.int64))
            self.known[slot.id] = torch.empty(shape, dtype=kind, device="meta")

    def ready(self, call: Call) -> bool:
        """Whether all arguments of a call are known."""
        return all(slot.id in self.known for slot in call.inputs())

    def inputs(self, call: Call) -> Iterator[Input]:
        """The tensors of a call's arguments that are known."""
        return inputs_of(call, self._signature(call), self.known)

    def arguments(self, call: Call, module: nn.Module) -> tuple[list[Any], dict[str, Any]]:
        """What a call whose arguments are known gives its method, by position and by name."""
        args, kwargs = call.arguments(self._signature(call).inputs, lambda argument: self._value(call, argument))
        if call.draws:
            rows = self._batch * call.fold * math.prod(self._grid(call))
            kwargs["draws"] = module.draw(rows, None, torch.device("meta"))  # type: ignore[operator]
        return args, kwargs

    def check_parts(self, call: Call, module: nn.Module) -> None:
        """Raises Refused where views that are joined do not part into those that batch norm has for themselves."""
        splits = max((getattr(part, "splits", 1) for part in module.modules()), default=1)
        if self._batch % splits and (self._batch * call.fold) % splits == 0:  # else the norm says so itself
            message = f"a batch of {self._batch} does not part into {splits} equal splits for batch norm"
            raise Refused(message, "batch", f"a batch that {splits} divides")

    def copy(self, call: Call) -> None:
        """Runs stopgrad()."""
        (slot,) = call.inputs()
        self.known[call.outputs[0].id] = self.known[slot.id]

    def store(self, call: Call, result: Any, found: Problems, own: Span | None = None) -> None:
        """Gives the results of a forward call to its slots; notes those of other axes than the component says.

        own: where the user's method stands that has given them.
        """
        ports = self._signature(call).outputs
        if (stray := _strange(ports, result, len(call.outputs) if call.fold == 1 else None)) is not None:
            title = f"'{call.node}' ({self._graph.nodes[call.node].component.name})"
            hint = "its forward ends without `return`" if result is None else "its annotations say what it gives"
            found.add(f"{title} gives {stray}", call.span, hint, about=call.node, own=own)
            return
        parts = [result] if len(ports) == 1 and not ports[0].name else list(result)
        slots = iter(call.outputs)
        for part, port in zip(parts, ports, strict=True):
            if call.folds(port):
                part = unflattened(part, (-1, *self._grid(call)))
            members = part if port.family else (part,)
            for member in parted(part, call.fold) if call.fold > 1 else members:
                slot = next(slots)
                self.known[slot.id] = member
                _check_axes(call, slot, member, found, own)
                self._check_type(call, member, found)

    def _check_type(self, call: Call, value: Any, found: Problems) -> None:
        """Notes floats of another width than those of the step, at the node that makes them."""
        given = {known.dtype for known in self.inputs(call)}
        for kind in dict.fromkeys(t.dtype for t in tensors_of(value) if t.is_floating_point() or t.is_complex()):
            if kind not in (torch.float32, *given):
                what = f"'{call.node}' ({self._graph.nodes[call.node].component.name}) gives {_name(kind)}"
                hint = "end its forward in .float(), and leave out .half() and .double(); train.precision says the rest"
                found.add(f"{what}, and what flows is float32", call.span, hint, about=call.node)

    def _signature(self, call: Call) -> Signature:
        node = self._graph.nodes[call.node]
        return node.ports(call.method)

    def _value(self, call: Call, argument: Argument) -> Any:
        if argument is None:
            return None
        if isinstance(argument, Slot):
            return _flat(call, argument, self.known[argument.id])
        if call.fold > 1:
            return _flat(call, argument[0], joined([self.known[s.id] for s in argument]))
        return tuple(_flat(call, slot, self.known[slot.id]) for slot in argument)

    def _grid(self, call: Call) -> Shape:
        """The sizes of the positions that are folded into the batch."""
        slot = next((s for s in call.inputs() if call.folds(s)), None)
        return tuple(tensors_of(self.known[slot.id])[0].shape[1 : 1 + call.grid]) if slot else ()


def _name(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")


def _flat(call: Call, slot: Slot, value: Any) -> Any:
    """A value with its positions folded into the batch, where the call does so."""
    return flattened(value, call.grid) if call.folds(slot) else value


def _strange(ports: Sequence[Port], result: Any, slots: int | None) -> str | None:
    """What a forward gives that is not of its ports' kinds, in words. slots: how many values it should be."""
    single = len(ports) == 1 and not ports[0].name
    if not single and not (isinstance(result, tuple | list) and len(result) == len(ports)):
        return f"{_called(result)}, but says {len(ports)} outputs, {', '.join(port.name for port in ports)}"
    given = 0
    for part, port in zip([result] if single else result, ports, strict=True):
        if port.family and not isinstance(part, tuple | list):
            return f"{_called(part)}, but says {port}"
        members = part if port.family else (part,)
        given += len(members)
        for member in members:
            if not any(isinstance(member, kind) for kind, name in KINDS.items() if name == port.kind):
                return f"{_called(member)}, but says {port}"
    return f"{given} views, but its `views` says {slots}" if slots not in (None, given) else None


def _called(value: Any) -> str:
    """What a value is, in words."""
    kind = type(value).__name__
    return "None" if value is None else f"a {kind} of {len(value)}" if isinstance(value, tuple | list) else f"a {kind}"


def _check_axes(call: Call, slot: Slot, value: Any, found: Problems, own: Span | None) -> None:
    for axes, tensor in zip(slot.axes, tensors_of(value), strict=False):
        if match(axes, tuple(tensor.shape)) is None:
            message = f"{call.node} gives {list(tensor.shape)}, but says [{' '.join(axes)}]"
            found.add(message, call.span, "its component's annotations are wrong", own=own)
