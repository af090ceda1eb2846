"""What goes between processes in a step, and how many bytes of it each of them sends."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..checks.shapes import Shapes
from ..graph.calls import Call, Slot
from ..graph.graph import Graph
from ..world import World, each_of_rows
from .emission import Emission
from .owned import Unlinked, part_banks
from .sharding import in_parts
from .synced import norms_of, parts_of, reduces

__all__ = ["Sent", "Traffic", "traffic"]


@dataclass(frozen=True)
class Sent:
    """what: in words. wanted: why. bytes: that each process sends in a step, forward and backward."""

    what: str
    wanted: str
    bytes: float


@dataclass(frozen=True)
class Traffic:
    """sent: by value, by norms, by gradients. whole: nodes that every process computes for the whole batch, and why."""

    sent: tuple[Sent, ...]
    whole: dict[str, str]


def traffic(graph: Graph, shapes: Shapes, processes: int) -> Traffic:
    """Of so many processes; rings are taken for granted, in which each sends (n - 1) / n of what all have together."""
    emission = Emission(graph, shapes, processes)
    emission.forward()
    ring = (processes - 1) / processes
    calls = [c for c in emission.calls if c.id in emission.placing.calls]
    sent = [
        *_values(graph, shapes, emission, ring), *_norms(calls, shapes, processes), *_dealt(calls, shapes, ring),
        *_fetched(graph, shapes, emission, processes), *_weights(graph, shapes, emission.calls, ring),
    ]  # fmt: skip
    return Traffic(tuple(one for one in sent if one.bytes), emission.placing.why)


def _values(graph: Graph, shapes: Shapes, emission: Emission, ring: float) -> Iterator[Sent]:
    """What is gathered, with who asks for the whole of it; what has a gradient comes back too."""
    slots = {slot.id: slot for call in graph.calls for slot in (*call.inputs(), *call.outputs)}
    for slot in (slots[number] for number in emission.gathered):
        readers = [c for c in graph.calls if slot in c.inputs() and c.id not in emission.placing.calls]
        names = dict.fromkeys(c.node for c in readers)
        back = any(c.section != "update" for c in readers) and _has_gradient(slot, graph, shapes)
        size = _bytes(slot, graph, shapes) * ring
        yield Sent(f"{slot.name}, gathered", f"for {', '.join(names)}", size * (2 if back else 1))


def _has_gradient(slot: Slot, graph: Graph, shapes: Shapes) -> bool:
    call = graph.maker.get(slot.id)
    if call is None or call.node not in graph.nodes or graph.nodes[call.node].component.detached:
        return False
    trains = any(p.requires_grad for p in shapes.modules[call.node].parameters())
    return trains or any(_has_gradient(s, graph, shapes) for s in call.inputs())


def _bytes(slot: Slot, graph: Graph, shapes: Shapes) -> float:
    """Of all samples."""
    if slot.kind == "tensor":
        return float(sum(math.prod(shape) for shape in shapes.slots[slot.id])) * 4
    found = [0.0]

    def note(tensor: Tensor) -> Tensor:
        found[0] += tensor.numel() * tensor.element_size()
        return tensor

    each_of_rows(note, shapes.results[graph.maker[slot.id].id])
    return found[0]


def _norms(calls: list[Call], shapes: Shapes, processes: int) -> Iterator[Sent]:
    sent = 0.0
    for norm in (
        m for c in calls if c.node in shapes.modules for m in _synchronised(shapes.modules[c.node], processes)
    ):
        trains = norm.weight is not None and norm.weight.requires_grad
        if reduces(processes, processes // parts_of(norm)):  # forward in float64
            sent += norm.num_features * 2 * (8 + 4 * trains) * 2 * (processes - 1) / processes
        else:
            sent += norm.num_features * 2 * (4 + 4 * trains) * (processes - 1)
    yield Sent("statistics of batch norms", "over the whole batch", sent)


def _synchronised(module: nn.Module, processes: int) -> list[_BatchNorm]:
    return [norm for norm in norms_of(module) if parts_of(norm) % processes]


def _dealt(calls: list[Call], shapes: Shapes, ring: float) -> Iterator[Sent]:
    """Targets with split batch norm exchange what they take and what they give."""
    for call in calls:
        node: Any = shapes.modules.get(call.node)
        if hasattr(node, "exchange") and getattr(node, "_splits", 1) > 1:
            slots = [*call.inputs(), *call.outputs]
            size = sum(math.prod(shape) for slot in slots for shape in shapes.slots[slot.id]) * 4
            yield Sent(f"what '{call.node}' takes and gives", "dealt to other parts of its batch norm", size * ring)


def _fetched(graph: Graph, shapes: Shapes, emission: Emission, processes: int) -> Iterator[Sent]:
    """Rows of parted banks, for each call that asks for some: it is made without data, with a process's samples."""
    modules, links, placing = copy.deepcopy(dict(shapes.modules)), Unlinked(processes), emission.placing
    banks = {key.partition(".")[0] for key in part_banks(modules, World(0, processes), placing.why, links)}
    for call in graph.step_calls():
        asked = banks & {call.node, *(graph.nodes[call.node].refs() if call.node in graph.nodes else ())}
        if not asked or any(slot.id not in emission.slots for slot in call.outputs):
            continue
        links.sent, links.gathered = 0.0, False
        _call(call, modules[call.node], graph, shapes, processes if call.id in placing.calls else 1)
        how = "all, gathered" if links.gathered else "fetched from their owners"
        yield Sent(f"rows of {' and '.join(sorted(asked))}", f"{how}, for {call.node}", links.sent)


def _call(call: Call, node: Any, graph: Graph, shapes: Shapes, parts: int) -> None:
    """Calls a node on tensors without data, of one of so many parts of the batch."""

    def blank(argument: Any) -> Any:
        if not isinstance(argument, Slot):
            return argument and tuple(blank(slot) for slot in argument)
        (n, *rest), *_ = shapes.slots[argument.id]
        dtype = torch.int64 if argument in graph.batch.values() else torch.float32
        return torch.empty(n // parts, *rest, dtype=dtype, device="meta")

    args, kwargs = call.arguments(graph.nodes[call.node].forward.inputs, blank)
    if call.draws:
        kwargs["draws"] = node.draw(call.fold * shapes.batch // parts, None, torch.device("meta"))
    node(*args, **kwargs)


def _weights(graph: Graph, shapes: Shapes, calls: Sequence[Call], ring: float) -> Iterator[Sent]:
    """Gradients; with `train.shard: full` weights too, which each call gathers, and again for its backward pass."""
    groups = in_parts(graph, shapes) if graph.spec.train.shard == "full" else {}
    times = Counter(call.node for call in calls)
    sent = {"weights": 0.0, "gradients": 0.0}
    for name, modules in groups.items():
        weights = [p for _, own in modules for p in own]
        trains = any(p.requires_grad for p in weights)
        sent["weights"] += times[name] * ring * _size(weights) * (2 if trains else 1)
        sent["gradients"] += times[name] * ring * _size([p for p in weights if p.requires_grad])
    parts = {id(p) for modules in groups.values() for _, own in modules for p in own}
    whole = {id(p): p for m in shapes.modules.values() for p in m.parameters() if p.requires_grad}
    sent["gradients"] += 2 * ring * _size([p for key, p in whole.items() if key not in parts])
    yield Sent("weights, gathered", "for each call, forward and backward", sent["weights"])
    yield Sent("gradients", "of all weights", sent["gradients"])


def _size(weights: Iterable[nn.Parameter]) -> float:
    return sum(p.numel() * 4.0 for p in weights)
