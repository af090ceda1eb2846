"""From the calls of a graph to torch.fx code: one fx node a call, by the graph's names."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import networkx as nx
import torch
from torch import fx

from ..checks.shapes import Shapes
from ..graph.calls import Argument, Call, Slot, Value
from ..graph.graph import Graph, Term
from ..ports import Port, detached, flattened, held, joined, outlasting, parted, unflattened
from ..schedule import Schedule
from .folding import together

__all__ = ["Emission", "readable"]


class Emission:
    """Emits the calls of a graph as fx nodes.

    random: the calls that draw, in order, each with how many times the batch it draws for.
    carried, batched: what the updates take, and whether it has a batch axis.
    """

    def __init__(self, graph: Graph, shapes: Shapes) -> None:
        self.graph, self.shapes = graph, shapes
        self.fx = fx.Graph()
        self.slots: dict[int, fx.Node] = {}
        self.folded: dict[tuple[Slot, ...], fx.Node] = {}
        self.cut: dict[int, fx.Node] = {}
        self.random: list[tuple[Call, int]] = []
        self.carried: list[Slot] = []
        self.batched: list[bool] = []

    def forward(self) -> fx.Graph:
        """The step: batch fields and draws to the loss, its terms, and what is carried out."""
        needed = self._needed()
        for name, slot in self.graph.batch.items():
            if any(slot in c.inputs() for c in self.graph.calls if c.id in needed):
                self.slots[slot.id] = self.fx.placeholder(name)
        calls = list(together([c for c in self.graph.step_calls() if c.id in needed], self.graph, self.shapes))
        self.random = [(c, c.fold * math.prod(self._grid(c))) for c in calls if c.draws]
        draws = {c.id: self.fx.placeholder(f"draws_{i}_{c.node}") for i, (c, _) in enumerate(self.random)}
        for call in calls:
            self._call(call, draws.get(call.id))
        terms = {term.name: self._term(term) for term in self.graph.terms}
        loss = self._total(terms)
        self.carried = list(dict.fromkeys(s for c in self.graph.update_calls() for s in c.inputs()))
        self.batched = [s.axes[0][:1] not in ((), ("n",)) for s in self.carried]
        carried = tuple(self._held(s) for s in self.carried)
        watch = {k: tuple(self._detached(s) for s in pair) for k, pair in self._watched(needed).items()}
        bounds = {term.name: bound for term in self.graph.terms if (bound := self._bound(term)) is not None}
        apart = {k: self._method("detach", v) for k, v in terms.items()}
        self.fx.output({"loss": loss, "terms": apart, "bounds": bounds, "carried": carried, "watch": watch})
        self._drop_unused_views()
        self.fx.lint()
        return self.fx

    def commit(self) -> fx.Graph:
        """The updates, on what the forward pass carried out: those that read scores before those that write entries."""
        self.fx, self.folded = fx.Graph(), {}
        self.slots = {slot.id: self.fx.placeholder(slot.name) for slot in self.carried}
        for call in sorted(self.graph.update_calls(), key=lambda call: not _reads_scores(call)):
            node = self.fx.get_attr(call.node)
            ports = self.graph.nodes[call.node].component.updates[call.method].inputs
            args, kwargs = self._arguments(call, ports)
            self.fx.call_method(call.method, (node, *args), kwargs).meta["call"] = call
        self.fx.output(None)
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
        """The calls that a loss term or an update depends on."""
        digraph = self.graph.digraph()
        ends = {s.id for t in self.graph.terms for s in t.slots}
        last = {c.id for c in self.graph.calls if c.section == "update" or any(s.id in ends for s in c.outputs)}
        return {n for end in last for n in nx.ancestors(digraph, end) if isinstance(n, int)} | last

    def _watched(self, needed: set[int]) -> dict[str, tuple[Slot, Slot]]:
        """For each line that compares embeddings, the first pair: what a critic scores, or what an objective takes.

        Of objectives only pairs that nothing before has scored or taken.
        """
        watched: dict[str, tuple[Slot, Slot]] = {}
        for call in self.graph.step_calls():
            tensors = [s for s in call.inputs() if s.kind == "tensor"]
            if call.id not in needed or call.fold > 1 or len(tensors) < 2:
                continue
            pair = tensors[0], tensors[1]
            scores = any(s.kind == "scores" for s in call.outputs)
            if scores or (self._is_loss_of(call, pair) and pair not in watched.values()):
                watched.setdefault(call.line, pair)
        return watched

    def _is_loss_of(self, call: Call, pair: tuple[Slot, Slot]) -> bool:
        """Whether a call makes one number of two batches of vectors of one size."""
        one, other = (self.shapes.slots[s.id][0] for s in pair)
        return one == other and len(one) == 2 and all(s.axes == ((),) for s in call.outputs)

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

    def _argument(self, call: Call, argument: Argument) -> Any:
        if isinstance(argument, tuple) and call.fold > 1:
            if argument not in self.folded:
                nodes = tuple(self.slots[s.id] for s in argument)
                join = torch.cat if argument[0].kind == "tensor" else joined
                self.folded[argument] = self.fx.call_function(join, (nodes,))
            return self._flat(call, argument[0], self.folded[argument])
        if isinstance(argument, tuple):
            return tuple(self._flat(call, slot, self.slots[slot.id]) for slot in argument)
        return None if argument is None else self._flat(call, argument, self.slots[argument.id])

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
                self.folded[tuple(mine)] = part
                part = self._parted(port, part, call.fold)
            for view in range(len(mine)):
                slot = next(slots)
                single = call.fold == 1 and not port.family
                self._name(slot, part if single else self._item(part, view))

    def _unflat(self, port: Port, node: fx.Node, sizes: tuple[int, ...]) -> fx.Node:
        if port.kind == "tensor" and not port.family:
            return self._method("unflatten", node, 0, sizes)
        return self.fx.call_function(unflattened, (node, sizes))

    def _parted(self, port: Port, node: fx.Node, fold: int) -> fx.Node:
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

    def _held(self, slot: Slot) -> fx.Node:
        """What is carried out. Scores whose entries may be others by the time of the update are computed first."""
        if slot.kind != "scores":
            return self._detached(slot)
        readers = {c.node for c in self.graph.update_calls() if _reads_scores(c)}
        writes = any(port.kind == "negatives" for name in readers for port in self.graph.nodes[name].forward.outputs)
        if writes:
            return self.fx.call_function(held, (self._detached(slot),))
        return self.fx.call_function(detached, (self.fx.call_function(outlasting, (self.slots[slot.id],)),))

    def _detached(self, slot: Slot) -> fx.Node:
        node = self.slots[slot.id]
        if node.op == "placeholder":
            return node
        if slot.id not in self.cut:
            cut = self._method("detach", node) if slot.kind == "tensor" else self.fx.call_function(detached, (node,))
            cut._rename(f"{slot.name}_detached")
            self.cut[slot.id] = cut
        return self.cut[slot.id]

    # -- loss ----------------------------------------------------------------------------------------------

    def _term(self, term: Term) -> fx.Node:
        """The mean over the family."""
        return self._mean([self.slots[s.id] for s in term.slots], term.name)

    def _mean(self, nodes: list[fx.Node], name: str) -> fx.Node:
        total = nodes[0]
        for node in nodes[1:]:
            total = self.fx.call_function(operator.add, (total, node))
        if len(nodes) > 1:
            total = self.fx.call_function(operator.truediv, (total, len(nodes)))
            total._rename(name)
        return total

    def _bound(self, term: Term) -> fx.Node | None:
        """What the term's objective says of mutual information, where it says something."""
        bounds = []
        for slot in term.slots:
            call = self.graph.maker[slot.id]
            node = self.graph.nodes.get(call.node)
            scores = next((s for s in call.inputs() if s.kind == "scores"), None)
            if node is None or scores is None or not hasattr(node.component.cls, "bound"):
                return None
            owner = self.fx.get_attr(call.node)
            given = (owner, self._method("detach", self.slots[slot.id]), self._detached(scores))
            bounds.append(self.fx.call_method("bound", given))
        return self._mean(bounds, f"{term.name}_bound")

    def _total(self, terms: Mapping[str, fx.Node]) -> fx.Node:
        parts = []
        for term in self.graph.terms:
            part = terms[term.name]
            if isinstance(term.weight, Schedule):
                part = self.fx.call_function(operator.mul, (part, self.fx.get_attr(f"_weight_{term.name}")))
                weight = term.factor
            else:
                weight = term.factor * term.weight
            parts.append(part if weight == 1 else self.fx.call_function(operator.mul, (part, weight)))
        total = parts[0]
        for part in parts[1:]:
            total = self.fx.call_function(operator.add, (total, part))
        if total.target in (operator.add, operator.mul):
            total._rename("loss")
        return total


def _reads_scores(call: Call) -> bool:
    return any(slot.kind == "scores" for slot in call.inputs())


def readable(code: str) -> str:
    """Generated code without the lines and clauses that only free memory."""
    code = re.sub(r";  (\w+ = )+None", "", code)
    return "\n".join(_lines(code)).strip()


def _lines(code: str) -> Iterator[str]:
    for line in code.split("\n"):
        if line.strip() and not re.fullmatch(r"\s*(\w+ = )+None", line):
            yield line.split("  # ")[0].rstrip()
