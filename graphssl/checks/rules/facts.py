"""What rules look at: a graph, its shapes, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from ...errors import Span
from ...graph.calls import Call, Slot
from ...graph.graph import Graph, Term
from ...graph.nodes import Node
from ...schedule import Schedule
from ..shapes import Shapes

__all__ = ["Facts", "aligned_inputs", "extremes", "factors"]


def extremes(value: float | Schedule[float]) -> tuple[float, ...]:
    """The ends between which a value moves, or the one value that it has."""
    if not isinstance(value, Schedule):
        return (value,)
    return (value.start,) if value.shape == "constant" else (value.start, value.end)


def factors(term: Term) -> tuple[float, ...]:
    """What a loss term is multiplied by, at both ends where that is scheduled."""
    return tuple(term.factor * weight for weight in extremes(term.weight))


def aligned_inputs(call: Call, slot: Slot) -> list[Slot]:
    """The inputs that a slot depends on; of a fold only those of its own view."""
    if call.fold == 1:
        return list(call.inputs())
    place = [s for s in call.outputs if s.output == slot.output].index(slot)
    return [a[place] if isinstance(a, tuple) else a for a in call.args.values() if a is not None]


def compared(facts: Facts, slot: Slot) -> Iterator[Slot]:
    """What is made of two sides: the scores behind a value, from the critic itself, or else the value."""
    scores = [s for s in aligned_inputs(facts.graph.maker[slot.id], slot) if s.kind == "scores"]
    yield from (one for s in scores for one in compared(facts, s))
    if not scores:
        yield slot


@dataclass(frozen=True)
class Facts:
    """A graph with its shapes. What is asked for often is worked out once."""

    graph: Graph
    shapes: Shapes

    def at(self, *path: str | int, key: bool = False) -> Span:
        """Where a value of the file stands, or its key."""
        return self.graph.source.at(path, key)

    # -- calls and slots -----------------------------------------------------------------------------------

    def behind(self, term: Term) -> set[int]:
        """Every call (by id) on which a term depends, also in earlier steps: those that write the states it reads."""
        found: set[int] = set()
        todo = [c for s in term.slots for c in self.graph.before(s)]
        while todo:
            call = todo.pop()
            if call.id not in found:
                found.add(call.id)
                for write in self.calls_of(call.node, "update"):
                    todo += [write, *(c for s in write.inputs() for c in self.graph.before(s))]
        return found

    def origin(self, slot: Slot) -> Slot:
        """The slot whose numbers these are: back through stopgrad()."""
        while (call := self.graph.maker.get(slot.id)) is not None and call.node == "stopgrad":
            (slot,) = call.inputs()
        return slot

    def back(self, *slots: Slot, until: Callable[[Slot, Call], bool] | None = None) -> Iterator[Slot]:
        """What slots are made of, themselves included, each once; of calls for several views those of its view.

        until: of a slot and of the call that makes it, whether it goes no further back from there.
        """
        known, todo = set[int](), list(slots)
        while todo:
            current = todo.pop()
            if current.id not in known:
                known.add(current.id)
                yield current
                call = self.graph.maker.get(current.id)
                if call is not None and not (until and until(current, call)):
                    todo += aligned_inputs(call, current)

    def made_of(self, slot: Slot) -> set[int]:
        """Every slot (by id) that a slot is made of, its own included; of calls for several views those of its view."""
        return {s.id for s in self.back(slot)}

    def calls_of(self, node: str, section: str | None = None) -> list[Call]:
        return [c for c in self.graph.calls if c.node == node and section in (None, c.section)]

    def with_trait(self, trait: str) -> list[Node]:
        return [n for n in self.graph.nodes.values() if trait in n.component.traits]

    # -- gradient ------------------------------------------------------------------------------------------

    @cached_property
    def trainable(self) -> set[str]:
        return self.shapes.trainable()

    @cached_property
    def networks(self) -> set[str]:
        """Nodes with weights, whether they train, are frozen, or follow others."""
        has = {name for name, module in self.shapes.modules.items() if any(True for _ in module.parameters())}
        return has | {n.name for n in self.with_trait("average")}

    @cached_property
    def numbered(self) -> dict[tuple[int, int], frozenset[int] | None]:
        """Whose positions an axis of a slot numbers, as far as that was asked."""
        return {}

    @cached_property
    def gradient(self) -> Mapping[int, bool]:
        """Whether a slot carries a gradient, by propagation along the calls."""
        carries = {slot.id: False for slot in self.graph.batch.values()}
        for call in self.graph.calls:
            if call.node == "stopgrad" or self.graph.nodes[call.node].component.detached:
                flows = False
            else:
                flows = call.node in self.trainable or any(carries[s.id] for s in call.inputs())
            carries.update({slot.id: flows and self._differentiable(slot) for slot in call.outputs})
        return carries

    def _differentiable(self, slot: Slot) -> bool:
        """Whether a value can carry a gradient, as its port says."""
        node = self.graph.nodes.get(slot.node)
        port = None if node is None else node.forward.output(slot.output)
        return port is None or port.gradient

    def trained_through(self, slot: Slot) -> set[str]:
        """The nodes that a gradient arriving at a slot reaches."""
        reached, todo, seen = set(), [slot], set()
        while todo:
            current = todo.pop()
            call = self.graph.maker.get(current.id)
            if call is None or call.id in seen or not self.gradient[current.id]:
                continue
            seen.add(call.id)
            reached |= {call.node} & self.trainable
            todo += call.inputs()
        return reached

    def embedders(self, slot: Slot) -> set[str]:
        """The nodes with weights that a slot went through; an average counts as the nodes that it follows."""
        through: set[str] = set()
        for call in self.graph.before(slot):
            node = self.graph.nodes.get(call.node)
            if node is not None:
                through |= set(node.refs()) if "average" in node.component.traits else {call.node} & self.trainable
        return through

    # -- loss ----------------------------------------------------------------------------------------------

    def trained_by(self, term: Term) -> set[str]:
        """The nodes that a term trains."""
        return set().union(*(self.trained_through(s) for s in term.slots))

    @cached_property
    def training_terms(self) -> list[Term]:
        """The terms that train a node."""
        return [t for t in self.graph.terms if self.trained_by(t)]

    def pairs(self, term: Term) -> Iterator[tuple[Call, Slot, Slot]]:
        """The query and key of each call that compares two embeddings and that a loss term rests on."""
        seen = set()
        for slot in term.slots:
            for call in self.graph.before(slot):
                if self._compares(call) and call.id not in seen:
                    seen.add(call.id)
                    sides = [a if isinstance(a, tuple) else (a,) for a in call.args.values() if a is not None]
                    sides = [a for a in sides if a[0].kind == "tensor"][:2]
                    if len(sides) == 2:
                        for query, key in zip(*sides, strict=False):
                            yield call, query, key

    def scored_by(self, term: Term) -> Iterator[tuple[Node, Call, Node]]:
        """Each objective on scores that a term is the value of, its call, and the node that its scores come from."""
        for slot in term.slots:
            call = self.graph.maker[self.origin(slot).id]
            for given in call.inputs():
                if given.kind == "scores" and call.node in self.graph.nodes:
                    yield self.graph.nodes[call.node], call, self.graph.nodes[self.graph.maker[given.id].node]

    def attracts(self, node: Node) -> bool:
        """Whether it is an objective that only pulls positives together."""
        return "attracts" in node.component.traits and bool(getattr(self.shapes.modules[node.name], "attracts", True))

    def _compares(self, call: Call) -> bool:
        """Whether a call is a critic's, or one of an objective that takes the two sides of a positive pair itself."""
        node = self.graph.nodes.get(call.node)
        scores = any(s.kind == "scores" for s in call.outputs)
        return scores or (node is not None and self.attracts(node))
