"""From a graph to what a picture of it shows: calls over views become one box, `stopgrad` a mark on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ...checks.shapes import Shapes
from ...errors import Span
from ...graph.calls import Call, Slot
from ...graph.graph import Graph, Term
from ...graph.nodes import Node
from ...schedule import Schedule
from ..style import ROLES
from .figure import TIMES, Box, Copy, End, Figure, Label, Wire
from .names import Names
from .options import options_of
from .words import config_lines, count_text, letters, parameters_line, short

LOSS = "loss"


@dataclass
class _Bundle:
    """A wire in the making: where its slots go. `ends`: port names and text by box and whether it is an update."""

    slots: tuple[Slot, ...]
    ends: dict[tuple[str, bool], tuple[list[str], list[str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Source:
    """Where a slot comes from: the box, its output, and whether a stop-gradient stands between."""

    box: str
    output: str
    stop: bool


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
        self.source: dict[int, _Source] = {}
        self.bundles: dict[tuple[_Source, tuple[int, ...]], _Bundle] = {}
        self.copies: list[Copy] = []
        self.joins: list[tuple[str, tuple[Slot, ...]]] = []

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
        wires = tuple(self._wire(source, bundle) for (source, _), bundle in self.bundles.items())
        return Figure(self.graph.name, self._subtitle(), tuple(self.boxes.values()), wires, tuple(self.copies))

    def _subtitle(self) -> str:
        trained = sum(p.numel() for m in self.shapes.modules.values() for p in m.parameters() if p.requires_grad)
        return f"{count_text(trained)} trainable parameters, batch {self.shapes.batch:,}"

    # -- boxes -----------------------------------------------------------------------------------------------------

    def _batch(self) -> None:
        for name, slot in self.graph.batch.items():
            box = f"batch.{name}"
            self.boxes[box] = Box(box, "data", name, (self.graph.spec.data.use,), note=f"{box}\n{_place(slot.span)}")
            self.source[slot.id] = _Source(box, "", False)

    def _calls(self, groups: Sequence[tuple[str, list[Call]]]) -> None:
        stops = {c.outputs[0].id: next(c.inputs()).id for c in self.graph.calls if c.node == "stopgrad"}
        for box, calls in groups:
            self._box(box, self.graph.nodes[calls[0].node], calls)
            for call in calls:
                self.source.update({s.id: _Source(box, s.output, self._detached(call.node)) for s in call.outputs})
        for stopped, slot in stops.items():
            while slot in stops:
                slot = stops[slot]
            self.source[stopped] = _Source(self.source[slot].box, self.source[slot].output, True)

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
            if len({self.source[s.id] for s in slots}) < 2 or ids in made:
                continue
            box = made[ids] = f"views.{name}"
            self.boxes[box] = Box(box, "join", "", note=f"{name}: views")
            for source, some in self._cover(slots):
                self._bundle(source, some, (box, False), "", "")
            self.joins.insert(0, (box, slots))

    def _unused(self) -> None:
        shown = {name for bundle in self.bundles.values() for name in self.names.of(bundle.slots)[0]}
        for name, slots in self.names.leaves.items():
            if name not in shown:
                for source, some in self._cover(slots):
                    self.bundles.setdefault((source, _ids(some)), _Bundle(some))
        for name, node in self.graph.nodes.items():
            if name not in self.first:
                self._box(f"{name}.unused", node, (), faded=True)

    # -- wires -----------------------------------------------------------------------------------------------------

    def _cover(self, slots: Sequence[Slot]) -> Iterator[tuple[_Source, tuple[Slot, ...]]]:
        """The slots by where they come from; whole joins first, the largest foremost."""
        left = dict.fromkeys(slots)
        for box, members in self.joins:
            if all(s in left for s in members):
                for slot in members:
                    del left[slot]
                yield _Source(box, "", False), members
        parts: dict[_Source, list[Slot]] = {}
        for slot in left:
            parts.setdefault(self.source[slot.id], []).append(slot)
        for source, some in parts.items():
            yield source, tuple(some)

    def _bundle(self, source: _Source, slots: tuple[Slot, ...], to: tuple[str, bool], port: str, text: str) -> None:
        bundle = self.bundles.setdefault((source, _ids(slots)), _Bundle(slots))
        ports, texts = bundle.ends.setdefault(to, ([], []))
        ports.extend([port] if port and port not in ports else [])
        texts.extend([text] if text and text not in texts else [])

    def _arguments(self, box: str, calls: Sequence[Call], update: bool) -> None:
        taken: dict[str, dict[Slot, None]] = {}
        for call in calls:
            for port, argument in call.args.items():
                slots = (argument,) if isinstance(argument, Slot) else argument or ()
                taken.setdefault(port, {}).update(dict.fromkeys(slots))
        text = calls[0].method if update else ""
        for port, found in taken.items():
            for source, some in self._cover(tuple(found)):
                self._bundle(source, some, (box, update), port, text)
                if source.box == box:
                    self._add_line(box, f"{text} its own")

    def _updates(self) -> None:
        for _, calls in _grouped(self.graph.update_calls()):
            node = self.graph.nodes[calls[0].node]
            if node.name not in self.first:
                self._box(f"{node.name}.state", node, ())
            box = self.first[node.name]
            self._arguments(box, calls, update=True)
            if not calls[0].args and node.refs():
                self._copy(node, box, calls[0].method)
            elif not calls[0].args:
                self._add_line(box, f"{calls[0].method} each step")
        written = {c.node for c in self.graph.update_calls()}
        for node in self.graph.nodes.values():
            if node.refs() and node.name not in written and node.name in self.first:
                self._copy(node, self.first[node.name], "uses")

    def _add_line(self, box: str, line: str) -> None:
        """For a write that no arrow can show."""
        old = self.boxes[box]
        self.boxes[box] = replace(old, lines=(*old.lines, line))

    def _copy(self, node: Node, box: str, text: str) -> None:
        for name in node.refs():
            if name not in self.first:
                self._box(f"{name}.unused", self.graph.nodes[name], (), faded=True)
            self.copies.append(Copy(self.first[name], box, text))

    def _loss(self) -> None:
        place = "\n".join(dict.fromkeys(_place(term.span) for term in self.graph.terms))
        several = len(self.graph.terms) > 1
        self.boxes[LOSS] = Box(LOSS, "loss", "Σ loss" if several else "loss", note=place)
        for term in self.graph.terms:
            for source, some in self._cover(term.slots):
                self._bundle(source, some, (LOSS, False), "", _term_text(term))

    def _wire(self, source: _Source, bundle: _Bundle) -> Wire:
        slots = sorted(bundle.slots, key=lambda s: s.id)
        label = Label(self.names.of(slots)[1], len(slots), letters(slots, self.shapes))
        ends = [End(box, tuple(p), update, ", ".join(t)) for (box, update), (p, t) in bundle.ends.items()]
        return Wire(source.box, label, tuple(ends), source.stop and not (ends and all(e.update for e in ends)))


def _ids(slots: Sequence[Slot]) -> tuple[int, ...]:
    return tuple(sorted(s.id for s in slots))


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
