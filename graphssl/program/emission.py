"""From the calls of a graph to torch.fx code: one fx node a call, by the graph's names."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import networkx as nx
import torch
from torch import fx

from ..checks.features import probed
from ..checks.shapes import Shapes
from ..graph.calls import Argument, Call, Slot, Value
from ..graph.graph import Graph
from ..ports import Port, flattened, joined, parted, unflattened
from ..world import gathered, own_part
from .folding import together
from .outputs import Outputs
from .placing import Placing, place
from .synced import parts_joined
from .update_order import ordered

__all__ = ["Emission", "readable"]


class Emission:
    """Emits the calls of a graph as fx nodes.

    calls: those of the step, in order. random: those that draw, each with how many times the batch it draws for. cut:
    those whose views are cut of whole pictures before the step.
    carried, batched: what the updates take, and whether it has a batch axis.
    placing: with several processes, which of the calls get a process's rows; gathered: the slots that are.
    """

    def __init__(self, graph: Graph, shapes: Shapes, processes: int = 1) -> None:
        self.graph, self.shapes, self.processes = graph, shapes, processes
        self.fx = fx.Graph()
        self.slots: dict[int, fx.Node] = {}
        self.placing = Placing(processes)
        self._moved: dict[tuple[int, bool], fx.Node] = {}  # a slot as rows, or whole
        self.gathered: list[int] = []
        self.folded: dict[tuple[tuple[Slot, ...], bool, int], fx.Node] = {}
        self.calls: list[Call] = []
        self.random: list[tuple[Call, int]] = []
        self.cut: list[Call] = []
        self._pixels: dict[int, fx.Node] = {}  # what a call gets in place of batch.image
        self.carried: list[Slot] = []
        self.batched: list[bool] = []

    def forward(self) -> fx.Graph:
        """The step: batch fields and draws to the loss, its terms, and what is carried out."""
        needed = self._needed()
        calls = list(together([c for c in self.graph.step_calls() if c.id in needed], self.graph, self.shapes))
        self.calls = calls
        if self.processes > 1:
            self.placing = place(self.graph, self.shapes, calls, self.processes)
        self.cut = [c for c in calls if self._is_cut(c)]
        rest = [c for c in self.graph.calls if c.id in needed - {cut.id for cut in self.cut}]
        for name, slot in self.graph.batch.items():
            if any(slot in c.inputs() for c in rest):
                self.slots[slot.id] = self.fx.placeholder(name)
        self._pixels = {c.id: self.fx.placeholder(f"cut_{i}_{c.node}") for i, c in enumerate(self.cut)}
        self.random = [(c, c.fold * math.prod(self._grid(c))) for c in calls if c.draws]
        draws = {c.id: self.fx.placeholder(f"draws_{i}_{c.node}") for i, (c, _) in enumerate(self.random)}
        for call in calls:
            self._call(call, draws.get(call.id))
        outputs = Outputs(self.graph, self.shapes, self.fx, self.slots, self._as)
        self.fx.output(outputs.emit(needed))
        self.carried = outputs.carried
        self.batched = [s.axes[0][:1] not in ((), ("n",)) for s in self.carried]
        self._drop_unused_views()
        self.fx.lint()
        return self.fx

    def commit(self, every: str = "step") -> fx.Graph:
        """The updates in their order, on what the forward pass carried out; those of an epoch's end take nothing."""
        placing, self.placing = self.placing, Placing(1)  # what is carried out is whole
        self.fx, self.folded = fx.Graph(), {}
        carried = self.carried if every == "step" else ()
        self.slots = {slot.id: self.fx.placeholder(slot.name) for slot in carried}
        for call in ordered(self.graph.update_calls(every)):
            node = self.fx.get_attr(call.node)
            ports = self.graph.nodes[call.node].component.updates[call.method].inputs
            args, kwargs = self._arguments(call, ports)
            self.fx.call_method(call.method, (node, *args), kwargs).meta["call"] = call
        self.fx.output(None)
        self.placing = placing
        return self.fx

    def features(self, value: Value) -> fx.Graph:
        """A value's first view, from one plain image that stands for all that is made of the batch's pixels."""
        wanted = value.slots[0]
        image = self.fx.placeholder("image")
        pixels = self.graph.batch["image"]
        for call in self.graph.before(wanted):
            if pixels in call.inputs():
                self.slots.update({slot.id: image for slot in call.outputs})
            else:
                self._once(call)
        self.fx.output(self.slots[wanted.id])
        self.fx.lint()
        return self.fx

    def _once(self, call: Call) -> None:
        """A call without draws; of the views of a fold only the first where they are all the same image."""
        folded = [a for a in call.args.values() if isinstance(a, tuple)]
        if call.fold == 1 or any(len({self.slots[s.id] for s in views}) > 1 for views in folded):
            return self._call(call, None)
        first = {s.output: s for s in reversed(call.outputs)}
        args = {k: a[0] if isinstance(a, tuple) else a for k, a in call.args.items()}
        self._call(replace(call, fold=1, args=args, outputs=tuple(reversed(first.values()))), None)
        self.slots.update({s.id: self.slots[first[s.output].id] for s in call.outputs})
        return None

    def _needed(self) -> set[int]:
        """The calls that a loss term, an update or an online probe depends on."""
        digraph = self.graph.digraph()
        ends = {s.id for t in self.graph.terms for s in t.slots}
        if (slot := probed(self.graph, self.shapes)) is not None:
            ends.add(slot.id)
        last = {c.id for c in self.graph.calls if c.section == "update" or any(s.id in ends for s in c.outputs)}
        return {n for end in last for n in nx.ancestors(digraph, end) if isinstance(n, int)} | last

    # -- calls ---------------------------------------------------------------------------------------------

    def _call(self, call: Call, draws: fx.Node | None) -> None:
        if call.node == "stopgrad":
            (slot,) = call.inputs()
            self._name(call.outputs[0], self._method("detach", self.slots[slot.id]))
            return
        ports = self.graph.nodes[call.node].forward.inputs
        args, kwargs = self._arguments(call, ports)
        if call.draws:
            kwargs["draws"] = draws
        result = self.fx.call_module(call.node, tuple(args), kwargs)
        result.meta["call"] = call
        self._spread(call, result)

    def _arguments(self, call: Call, ports: Sequence[Port]) -> tuple[list[Any], dict[str, Any]]:
        return call.arguments(ports, lambda argument: self._argument(call, argument))

    def _is_cut(self, call: Call) -> bool:
        """Whether a call makes views of pictures that have sizes of their own, or makes them one by one."""
        image = self.graph.batch.get("image")
        if image is None or image not in call.inputs():
            return False
        node = self.shapes.modules[call.node]
        return bool(getattr(node, "cuts", ())) and (self.shapes.data.source is None or hasattr(node, "cuts_only"))

    def _argument(self, call: Call, argument: Argument) -> Any:
        if call.id in self._pixels and argument == self.graph.batch["image"]:
            return self._pixels[call.id]
        if isinstance(argument, tuple) and call.fold > 1:
            return self._flat(call, argument[0], self._joined(call, argument))
        if isinstance(argument, tuple):
            return tuple(self._flat(call, slot, self._placed(call, slot)) for slot in argument)
        return None if argument is None else self._flat(call, argument, self._placed(call, argument))

    def _joined(self, call: Call, views: tuple[Slot, ...]) -> fx.Node:
        """The views of a fold, along the batch."""
        parts = self._parts(call)
        key = views, call.id in self.placing.calls, parts
        if key not in self.folded:
            nodes = tuple(self._placed(call, s) for s in views)
            if parts > 1:
                self.folded[key] = self.fx.call_function(joined, (nodes, parts))
            else:
                join = torch.cat if views[0].kind == "tensor" else joined
                self.folded[key] = self.fx.call_function(join, (nodes,))
        return self.folded[key]

    def _parts(self, call: Call) -> int:
        """The parts of what a call gets of several views that batch norm has for themselves: a process's own."""
        parts = parts_joined(call, self.shapes.modules.get(call.node))
        return max(parts // self.processes, 1) if call.id in self.placing.calls else parts

    def _placed(self, call: Call, slot: Slot) -> fx.Node:
        """A value as a call gets it: a process's rows, or the whole batch."""
        return self._as(slot, call.id in self.placing.calls)

    def _as(self, slot: Slot, rows: bool) -> fx.Node:
        """What computes a slot as a process's rows, or for the whole batch."""
        node, placing = self.slots[slot.id], self.placing
        if placing.processes == 1 or rows == (slot.id in placing.slots) or not placing.has_rows(slot):
            return node
        if (slot.id, rows) not in self._moved:
            moved = self.fx.call_function(own_part if rows else gathered, (node,))
            moved._rename(f"{slot.name}_{'own' if rows else 'all'}")
            self._moved[slot.id, rows] = moved
            if not rows:
                self.gathered.append(slot.id)
        return self._moved[slot.id, rows]

    def _grid(self, call: Call) -> tuple[int, ...]:
        """The sizes of the positions that are folded into the batch."""
        if not call.grid:
            return ()
        slot = next(s for s in call.inputs() if call.folds(s))
        return self.shapes.slots[slot.id][0][1 : 1 + call.grid]

    def _flat(self, call: Call, slot: Slot, node: fx.Node) -> fx.Node:
        """An argument with its positions folded into the batch."""
        if not call.folds(slot):
            return node
        if slot.kind == "tensor":
            return self._method("flatten", node, 0, call.grid)
        return self.fx.call_function(flattened, (node, call.grid))

    def _spread(self, call: Call, result: fx.Node) -> None:
        """Gives a call's result to its slots: parts, views of a family, views of a fold."""
        ports = self.graph.nodes[call.node].forward.outputs
        slots = iter(call.outputs)
        for i, port in enumerate(ports):
            part = self._item(result, i) if port.name else result
            if call.folds(port):
                part = self._unflat(port, part, (-1, *self._grid(call)))
            mine = [s for s in call.outputs if s.output == port.name]
            if call.fold > 1:
                parts = self._parts(call)
                self.folded[tuple(mine), call.id in self.placing.calls, parts] = part
                part = self._parted(port, part, call.fold, parts)
            for view in range(len(mine)):
                slot = next(slots)
                single = call.fold == 1 and not port.family
                self._name(slot, part if single else self._item(part, view))

    def _unflat(self, port: Port, node: fx.Node, sizes: tuple[int, ...]) -> fx.Node:
        if port.kind == "tensor" and not port.family:
            return self._method("unflatten", node, 0, sizes)
        return self.fx.call_function(unflattened, (node, sizes))

    def _parted(self, port: Port, node: fx.Node, fold: int, parts: int) -> fx.Node:
        if parts > 1:
            return self.fx.call_function(parted, (node, fold, parts))
        if port.kind == "tensor":
            return self._method("chunk", node, fold)
        return self.fx.call_function(parted, (node, fold))

    def _item(self, node: fx.Node, index: int) -> fx.Node:
        return self.fx.call_function(operator.getitem, (node, index))

    def _drop_unused_views(self) -> None:
        """Of folds that were handed on as a whole."""
        for node in reversed(self.fx.nodes):
            if not node.users and node.target in ("chunk", operator.getitem, parted):
                self.fx.erase_node(node)

    def _method(self, name: str, *args: Any) -> fx.Node:
        return self.fx.call_method(name, args)

    def _name(self, slot: Slot, node: fx.Node) -> None:
        node._rename(slot.name)
        self.slots[slot.id] = node


def readable(code: str) -> str:
    """Generated code without the lines and clauses that only free memory."""
    code = re.sub(r";  (\w+ = )+None", "", code)
    return "\n".join(_lines(code)).strip()


def _lines(code: str) -> Iterator[str]:
    for line in code.split("\n"):
        if line.strip() and not re.fullmatch(r"\s*(\w+ = )+None", line):
            yield line.split("  # ")[0].rstrip()
