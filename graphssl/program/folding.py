"""Calls that may run as one: the views of a value, through a node that treats each sample by itself.

The numbers are the same, but for the rounding of a product of other sizes, and there are fewer and larger launches.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from torch.nn.modules.batchnorm import _NormBase

from ..checks.shapes import Shapes
from ..graph.calls import Call, Slot
from ..graph.graph import Graph

__all__ = ["together"]


def together(calls: Sequence[Call], graph: Graph, shapes: Shapes) -> Iterator[Call]:
    """The calls in their order, with neighbours that may run as one joined into a call that folds their views."""

    def kind(call: Call) -> tuple[object, ...]:
        if not _may_join(call, graph, shapes):
            return (call.id,)
        (slot,) = call.inputs()
        return call.node, call.method, call.line, call.span, shapes.slots[slot.id], slot.axes

    for _, group in itertools.groupby(calls, kind):
        same = list(group)
        yield same[0] if len(same) == 1 else _joined(same)


def _joined(calls: Sequence[Call]) -> Call:
    first = calls[0]
    (port,) = (name for name, argument in first.args.items() if argument is not None)
    views = tuple(slot for call in calls for slot in call.inputs())
    parts = dict.fromkeys(slot.output for slot in first.outputs)
    outputs = tuple(slot for part in parts for call in calls for slot in call.outputs if slot.output == part)
    return replace(first, fold=len(calls), args={port: views}, outputs=outputs)


def _may_join(call: Call, graph: Graph, shapes: Shapes) -> bool:
    """Whether a call takes one batch, gives batches, and treats each sample by itself.

    Where it draws numbers by itself, as dropout does, it would draw others.
    """
    if call.node not in graph.nodes or call.fold > 1 or call.draws or call.grid or call.id in shapes.chance:
        return False
    inputs = [a for a in call.args.values() if a is not None]
    slots = [*call.outputs, *(a for a in inputs if isinstance(a, Slot))]
    ports = graph.nodes[call.node].forward.outputs
    return (
        len(inputs) == 1
        and len(slots) == 1 + len(call.outputs)
        and all(s.kind == "tensor" and s.axes[0][:1] == ("b",) for s in slots)
        and not any(p.family for p in ports)
        and _apart(call.node, graph, shapes)
        and not any(isinstance(part, _NormBase) for part in shapes.modules[call.node].modules())
    )


def _apart(name: str, graph: Graph, shapes: Shapes) -> bool:
    node = graph.nodes[name]
    if "average" in node.component.traits:
        return all(_apart(ref, graph, shapes) for ref in node.refs())
    return "apart" in node.component.traits and bool(getattr(shapes.modules[name], "apart", True))
