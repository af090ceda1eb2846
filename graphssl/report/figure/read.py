"""From a graph to what a picture of it shows: calls over views become one box, `stopgrad` a mark on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...checks.shapes import Shapes
from ...errors import Span
from ...graph.calls import Call, Slot
from ...graph.graph import Graph, Term
from ...graph.nodes import Node
from ...schedule import Schedule
from ..style import ROLES
from .bundles import Bundle, Bundles, Origin
from .figure import TIMES, Box, Copy, End, Figure, Label, Wire
from .names import Names
from .options import options_of
from .words import config_lines, count_text, letters, parameters_line, short

LOSS = "loss"


def read_figure(graph: Graph, shapes: Shapes) -> Figure:
    """What the picture of a graph shows."""
    return _Reader(graph, shapes).figure()


class _Reader:
    def __init__(self, graph: Graph, shapes: Shapes) -> None:
        self.graph, self.shapes = graph, shapes
        self.names = Names(graph.values)
        self.options = options_of(graph)
        self.boxes: dict[str, Box] = {}
        self.first: dict[str, str] = {}  # of each node, the box of its first call
        self.bundles = Bundles()
        self.copies: list[Copy] = []

    def figure(self) -> Figure:
        groups = _grouped(self.graph.step_calls())
        self._batch()
        self._calls(groups)
        self._joins()
        for box, calls in groups:
            self._arguments(box, calls, update=False)
        self._updates()
        self._loss()
        self._unused()
        wires = tuple(self._wire(origin, bundle) for origin, bundle in self.bundles)
        return Figure(self.graph.name, self._subtitle(), tuple(self.boxes.values()), wires, tuple(self.copies))

    def _subtitle(self) -> str:
        trained = sum(p.numel() for m in self.shapes.modules.values() for p in m.parameters() if p.requires_grad)
        return f"{count_text(trained)} trainable parameters, batch {self.shapes.batch:,}"

    # -- boxes -----------------------------------------------------------------------------------------------------

    def _batch(self) -> None:
        for name, slot in self.graph.batch.items():
            box = f"batch.{name}"
            self.boxes[box] = Box(box, "data", name, (self.graph.spec.data.use,), note=f"{box}\n{_place(slot.span)}")
            self.bundles.origin[slot.id] = Origin(box)

    def _calls(self, groups: Sequence[tuple[str, list[Call]]]) -> None:
        origin = self.bundles.origin
        stops = {c.outputs[0].id: next(c.inputs()).id for c in self.graph.calls if c.node == "stopgrad"}
        for box, calls in groups:
            self._box(box, self.graph.nodes[calls[0].node], calls)
            for call in calls:
                origin.update({s.id: Origin(box, s.output, self._detached(call.node)) for s in call.outputs})
        for stopped, slot in stops.items():
            while slot in stops:
                slot = stops[slot]
            origin[stopped] = replace(origin[slot], stop=True)

    def _detached(self, node: str) -> bool:
        return self.graph.nodes[node].component.detached

    def _box(self, box: str, node: Node, calls: Sequence[Call], faded: bool = False) -> None:
        again = node.name in self.first
        module = self.shapes.modules.get(node.name)
        weights = parameters_line(module)
        shared = ["the same weights" if weights else "the same node"]
        lines = [node.component.name, *(shared if again else [*config_lines(node), *weights])]
        option = self.options.get(calls[0].span) if calls else None
        self.boxes[box] = Box(
            box, _role(node), node.name, tuple([*lines, option] if option else lines), max(len(calls), 1), faded,
            "\n".join(dict.fromkeys([_place(node.span), *(_place(c.span) for c in calls)])), node.name,
            {"use": node.component.name, **node.config.model_dump(mode="json", by_alias=True)},
        )  # fmt: skip
        self.first.setdefault(node.name, box)

    def _joins(self) -> None:
        """A bar for each value that `views()` puts together from several places."""
        made: dict[frozenset[int], str] = {}
        for name, slots in sorted(self.names.leaves.items(), key=lambda item: len(item[1])):
            ids = frozenset(s.id for s in slots)
            if len({self.bundles.origin[s.id] for s in slots}) < 2 or ids in made:
                continue
            box = made[ids] = f"views.{name}"
            self.boxes[box] = Box(box, "join", "", note=f"{name}: views")
            self._lead(slots, box)
            self.bundles.joins.insert(0, (box, slots))

    def _unused(self) -> None:
        shown = {name for _, bundle in self.bundles for name in self.names.of(bundle.slots)[0]}
        for name, slots in self.names.leaves.items():
            if name not in shown:
                for origin, some in self.bundles.by_origin(slots):
                    self.bundles.keep(origin, some)
        for name, node in self.graph.nodes.items():
            if name not in self.first:
                self._box(f"{name}.unused", node, (), faded=True)

    # -- wires -----------------------------------------------------------------------------------------------------

    def _lead(self, slots: Sequence[Slot], box: str, port: str = "", text: str = "", update: bool = False) -> None:
        for origin, some in self.bundles.by_origin(slots):
            self.bundles.lead(origin, some, box, port, text, update)

    def _arguments(self, box: str, calls: Sequence[Call], update: bool) -> None:
        taken: dict[str, dict[Slot, None]] = {}
        for call in calls:
            for port, argument in call.args.items():
                slots = (argument,) if isinstance(argument, Slot) else argument or ()
                taken.setdefault(port, {}).update(dict.fromkeys(slots))
        text = calls[0].method if update else ""
        for port, found in taken.items():
            for origin, some in self.bundles.by_origin(tuple(found)):
                self.bundles.lead(origin, some, box, port, text, update)
                if origin.box == box:
                    self._add_line(box, f"{text} its own")

    def _updates(self) -> None:
        for _, calls in _grouped(self.graph.update_calls()):
            node = self.graph.nodes[calls[0].node]
            if node.name not in self.first:
                self._box(f"{node.name}.state", node, ())
            box = self.first[node.name]
            self._arguments(box, calls, update=True)
            if not calls[0].args and node.refs():
                self._copy(node, box, calls[0].method + (" each epoch" if calls[0].every == "epoch" else ""))
            elif not calls[0].args:
                self._add_line(box, f"{calls[0].method} each {calls[0].every}")
        written = {c.node for c in self.graph.update_calls()}
        for node in self.graph.nodes.values():
            if node.refs() and node.name not in written and node.name in self.first:
                self._copy(node, self.first[node.name], "uses", written=False)

    def _add_line(self, box: str, line: str) -> None:
        """For a write that no arrow can show."""
        old = self.boxes[box]
        self.boxes[box] = replace(old, lines=(*old.lines, line))

    def _copy(self, node: Node, box: str, text: str, written: bool = True) -> None:
        for name in node.refs():
            if name not in self.first:
                self._box(f"{name}.unused", self.graph.nodes[name], (), faded=True)
            self.copies.append(Copy(self.first[name], box, text, written=written))

    def _loss(self) -> None:
        place = "\n".join(dict.fromkeys(_place(term.span) for term in self.graph.terms))
        several = len(self.graph.terms) > 1
        self.boxes[LOSS] = Box(LOSS, "loss", "Σ loss" if several else "loss", note=place)
        for term in self.graph.terms:
            self._lead(term.slots, LOSS, text=_term_text(term))

    def _wire(self, origin: Origin, bundle: Bundle) -> Wire:
        slots = sorted(bundle.slots, key=lambda s: s.id)
        label = Label(self.names.of(slots)[1], len(slots), letters(slots, self.shapes))
        ends = [End(box, tuple(p), update, ", ".join(t)) for (box, update), (p, t) in bundle.ends.items()]
        return Wire(origin.box, label, tuple(ends), origin.stop and not (ends and all(e.update for e in ends)))


def _grouped(calls: Sequence[Call]) -> list[tuple[str, list[Call]]]:
    """The calls that one expression makes, together, under a name for their box."""
    groups: dict[object, list[Call]] = {}
    for call in calls:
        if call.node != "stopgrad":
            groups.setdefault((call.section, call.line, call.node, call.method, call.span), []).append(call)
    return [(f"{group[0].node}.{group[0].id}", group) for group in groups.values()]


def _role(node: Node) -> str:
    kind = node.component.name.split(".")[0]
    return kind if kind in ROLES else "other"


def _place(span: Span | None) -> str:
    return f"line {span.line}: {span.text.strip()}" if span else ""


def _term_text(term: Term) -> str:
    """A term of the loss with what it is multiplied with."""
    weight = term.weight if isinstance(term.weight, Schedule) else term.weight * term.factor
    parts = [short(term.factor)] if isinstance(term.weight, Schedule) and term.factor != 1 else []
    parts += [f"({short(weight)})"] if isinstance(weight, Schedule) else [short(weight)] if weight != 1 else []
    return f" {TIMES} ".join([*parts, term.name])
