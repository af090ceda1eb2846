"""What a step gives: the loss, its terms and their bounds, what the updates take, and what is watched."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import fx

from ..checks.features import probed
from ..checks.shapes import Shapes
from ..graph.calls import Call, Slot
from ..graph.graph import Graph, Term
from ..ports import detached, held, outlasting
from ..schedule import Schedule
from .update_order import reads_scores

__all__ = ["Outputs"]


class Outputs:
    """Emits the outputs of a step into its code. slots: what computes a slot, by its id.

    placed: gives what computes a slot as a process's rows, or for the whole batch.
    carried: what the updates take, in order.
    """

    def __init__(
        self, graph: Graph, shapes: Shapes, code: fx.Graph, slots: Mapping[int, fx.Node],
        placed: Callable[[Slot, bool], fx.Node],
    ) -> None:  # fmt: skip
        self._graph, self._shapes, self._code, self._slots = graph, shapes, code, slots
        self._cut: dict[tuple[int, fx.Node], fx.Node] = {}
        self.carried = list(dict.fromkeys(s for c in graph.update_calls() for s in c.inputs()))
        self._placed = placed

    def emit(self, needed: set[int]) -> dict[str, Any]:
        """The step's outputs, by name. needed: the calls that it takes."""
        terms = {term.name: self._term(term) for term in self._graph.terms}
        loss = self._total(terms)
        carried = tuple(self._held(s, self._placed(s, False)) for s in self.carried)
        pairs = self._watched(needed).items()
        watch = {k: tuple(self._detached(s, self._placed(s, True)) for s in pair) for k, pair in pairs}
        bounds = {term.name: bound for term in self._graph.terms if (bound := self._bound(term)) is not None}
        apart = {k: self._detach(v) for k, v in terms.items()}
        outputs = {"loss": loss, "terms": apart, "bounds": bounds, "carried": carried, "watch": watch}
        if (slot := probed(self._graph, self._shapes)) is not None:
            outputs["probed"] = self._detached(slot, self._placed(slot, True))
        return outputs

    def _term(self, term: Term) -> fx.Node:
        """The mean over the family."""
        return self._mean([self._slots[s.id] for s in term.slots], term.name)

    def _total(self, terms: Mapping[str, fx.Node]) -> fx.Node:
        parts = []
        for term in self._graph.terms:
            part = terms[term.name]
            if isinstance(term.weight, Schedule):
                part = self._code.call_function(operator.mul, (part, self._code.get_attr(f"_weight_{term.name}")))
                weight = term.factor
            else:
                weight = term.factor * term.weight
            parts.append(part if weight == 1 else self._code.call_function(operator.mul, (part, weight)))
        total = self._sum(parts)
        if total.target in (operator.add, operator.mul):
            total._rename("loss")
        return total

    def _bound(self, term: Term) -> fx.Node | None:
        """What the term's objective says of mutual information, where it says something and is given scores alone."""
        bounds = []
        for slot in term.slots:
            call = self._graph.maker[slot.id]
            node = self._graph.nodes.get(call.node)
            scores = next((s for s in call.inputs() if s.kind == "scores"), None)
            if node is None or scores is None or not hasattr(node.component.cls, "bound"):
                return None
            if sum(1 for _ in call.inputs()) > 1:  # weighted, it is a bound of nothing
                return None
            owner = self._code.get_attr(call.node)
            given = (owner, self._detach(self._slots[slot.id]), self._detached(scores))
            bounds.append(self._code.call_method("bound", given))
        return self._mean(bounds, f"{term.name}_bound")

    def _held(self, slot: Slot, node: fx.Node) -> fx.Node:
        """What is carried out. Scores whose entries may be others by the time of the update are computed first."""
        if slot.kind != "scores":
            return self._detached(slot, node)
        readers = {c.node for c in self._graph.update_calls() if reads_scores(c)}
        writes = any(port.kind == "negatives" for name in readers for port in self._graph.nodes[name].forward.outputs)
        if writes:
            return self._code.call_function(held, (self._detached(slot, node),))
        return self._code.call_function(detached, (self._code.call_function(outlasting, (node,)),))

    def _watched(self, needed: set[int]) -> dict[str, tuple[Slot, Slot]]:
        """For each line that compares embeddings, the first pair: what a critic scores, or what an objective takes.

        Of objectives only pairs that nothing before has scored or taken.
        """
        watched: dict[str, tuple[Slot, Slot]] = {}
        for call in self._graph.step_calls():
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
        one, other = (self._shapes.slots[s.id][0] for s in pair)
        return one == other and len(one) == 2 and all(s.axes == ((),) for s in call.outputs)

    def _mean(self, nodes: Sequence[fx.Node], name: str) -> fx.Node:
        total = self._sum(nodes)
        if len(nodes) > 1:
            total = self._code.call_function(operator.truediv, (total, len(nodes)))
            total._rename(name)
        return total

    def _sum(self, nodes: Sequence[fx.Node]) -> fx.Node:
        return functools.reduce(lambda a, b: self._code.call_function(operator.add, (a, b)), nodes)

    def _detached(self, slot: Slot, node: fx.Node | None = None) -> fx.Node:
        node = node or self._slots[slot.id]
        if node.op == "placeholder":
            return node
        if (slot.id, node) not in self._cut:
            cut = self._detach(node) if slot.kind == "tensor" else self._code.call_function(detached, (node,))
            cut._rename(f"{slot.name}_detached")
            self._cut[slot.id, node] = cut
        return self._cut[slot.id, node]

    def _detach(self, node: fx.Node) -> fx.Node:
        return self._code.call_method("detach", (node,))
