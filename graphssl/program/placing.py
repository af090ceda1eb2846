"""Which calls of a step run on a process's own rows of the batch, and which on the whole of it.

A call whose node treats each sample by itself runs on the rows, and its values stay there. Every other call gets the
whole batch, gathered where it was rows, and computes the same in every process: so a component that says nothing of
itself is right in any world, and what its traits say makes it cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..checks.shapes import Shapes
from ..graph.calls import Call, Slot
from ..graph.graph import Graph
from .masks import Drawn, Views, masks_of, what_is_drawn, with_masks_of_both
from .synced import is_activated, parts_of

__all__ = ["Placing", "place"]

BOTH = "is called on what is no part of the batch too"
BY_ROWS = {"apart", "view", "rows"}
ROWS = ("negatives", "scores")  # kinds that always say something of each sample


@dataclass
class Placing:
    """calls: ids of the calls that run on rows. slots: those that are rows where they are made; wholes: those that are
    whole, and of the samples. why: by node that could run on rows and does not, the reason.

    drawn: what calls draw by themselves; masks: of that what is drawn for all processes, of which each takes its rows.
    An objective that runs on rows gives the mean over them, and the loss is the mean over the processes.
    """

    processes: int
    calls: set[int] = field(default_factory=set)
    slots: set[int] = field(default_factory=set)
    wholes: set[int] = field(default_factory=set)
    why: dict[str, str] = field(default_factory=dict)
    drawn: Drawn = field(default_factory=Drawn)
    masks: dict[str, Views] = field(default_factory=dict)

    def has_rows(self, slot: Slot) -> bool:
        """Whether a value has an entry for each sample."""
        return slot.id in self.slots or slot.id in self.wholes


def place(graph: Graph, shapes: Shapes, calls: Sequence[Call], processes: int) -> Placing:
    """The places of calls, which come in the order of the step."""
    why: dict[str, str] = {}
    drawn = what_is_drawn(graph, shapes, calls)
    while True:
        found = _placed(graph, shapes, calls, Placing(processes, why=why, drawn=drawn))
        rows, whole = [c for c in calls if c.id in found.calls], [c for c in calls if c.id not in found.calls]
        torn = {c.node for c in rows} & {c.node for c in whole}
        more = {
            **dict.fromkeys((n for n in torn if _has_norm(shapes.modules.get(n))), f"its batch norm {BOTH}"),
            **dict.fromkeys(with_masks_of_both(rows, whole, shapes), f"its dropout {BOTH}"),
            **_read_whole(graph, shapes, calls, found),
        }
        if not more.keys() - why.keys():
            found.masks = {name: drawn.views[name] for name in masks_of(rows, shapes)}
            return found
        why |= {name: more[name] for name in more.keys() - why.keys()}


def _has_norm(module: nn.Module | None) -> bool:
    return module is not None and any(isinstance(part, _BatchNorm) for part in module.modules())


def _placed(graph: Graph, shapes: Shapes, calls: Sequence[Call], found: Placing) -> Placing:
    found.slots |= {slot.id for slot in graph.batch.values()}
    letters = {"b"}  # axes of samples, with their positions where these are one axis with them
    for call in calls:
        rows = any(slot.id in found.slots for slot in call.inputs())
        if not rows and not any(slot.id in found.wholes for slot in call.inputs()):
            continue
        if call.node == "stopgrad":
            (found.slots if rows else found.wholes).update(slot.id for slot in call.outputs)
        elif rows and _is_mean(call, graph, shapes, found):
            found.calls.add(call.id)
        elif rows and _by_rows(call, graph, shapes, found):
            found.calls.add(call.id)
            found.slots |= {slot.id for slot in call.outputs}
            letters |= {slot.axes[0][0] for slot in call.outputs if slot.kind == "tensor" and slot.axes[0]}
        else:
            found.wholes |= {s.id for s in call.outputs if s.kind in ROWS or (s.axes[0] and s.axes[0][0] in letters)}
    return found


def _read_whole(graph: Graph, shapes: Shapes, calls: Sequence[Call], found: Placing) -> dict[str, str]:
    """Banks with parted rows whose negatives go where not only those of a process's samples are looked at."""
    reasons = {}
    for call in calls:
        if call.id not in found.calls or getattr(shapes.modules[call.node], "parted", None) is None:
            continue
        readers = [c for c in (*calls, *graph.update_calls()) if set(call.outputs) & set(c.inputs())]
        if names := dict.fromkeys(f"'{c.node}'" for c in readers if c.id not in found.calls):
            reasons[call.node] = f"{' and '.join(names)} may look at all of its rows"
    return reasons


def _is_mean(call: Call, graph: Graph, shapes: Shapes, found: Placing) -> bool:
    """Whether what it gives is the mean over the samples of what each gives by itself."""
    traits = graph.nodes[call.node].component.traits
    says = "mean" in traits and bool(getattr(shapes.modules[call.node], "mean", True))
    return says and _nothing_against(call, shapes, found)


def _by_rows(call: Call, graph: Graph, shapes: Shapes, found: Placing) -> bool:
    return _treats_samples_apart(call.node, graph, shapes) and _nothing_against(call, shapes, found)


def _nothing_against(call: Call, shapes: Shapes, found: Placing) -> bool:
    """Whether a node that could run on rows can do so here; notes why not."""
    if call.node in found.why:
        return False
    reason = found.drawn.why.get(call.node) or _reason_against(call, shapes, found.processes)
    if reason is not None:
        found.why[call.node] = reason
    return reason is None


def _treats_samples_apart(name: str, graph: Graph, shapes: Shapes) -> bool:
    node = graph.nodes[name]
    if "average" in node.component.traits:
        return all(_treats_samples_apart(ref, graph, shapes) for ref in node.refs())
    return bool(BY_ROWS & node.component.traits) and bool(getattr(shapes.modules[name], "apart", True))


def _reason_against(call: Call, shapes: Shapes, processes: int) -> str | None:
    """Why a node that treats samples apart needs all of them here."""
    module, drawn = shapes.modules[call.node], call.draws or call.id in shapes.chance
    for inner in module.modules():
        if not isinstance(inner, _BatchNorm):
            continue
        if _has_own_forward(inner):
            return f"its {type(inner).__name__} is no batch norm that can be synchronised"
        splits = parts_of(inner)
        if splits % processes and processes % splits:
            return f"batch norm over {splits} parts, which do not go into {processes} processes"
        if splits > 1 and splits % processes and call.fold > 1 and (drawn or hasattr(module, "exchange")):
            return f"batch norm over {splits} parts of several views joined, for {processes} processes"
    return None


def _has_own_forward(norm: _BatchNorm) -> bool:
    """Whether a batch norm does something else than one does, beside timm's activation after it."""
    plain = {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d}
    return not (type(norm) in plain or hasattr(norm, "splits") or is_activated(norm))
