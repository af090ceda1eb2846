"""From a graph file to a call graph: nodes, calls in order, loss terms, updates.

`read` takes a loaded source to a `Graph`, or to all that is wrong with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import networkx as nx
from pydantic import BaseModel

from ..errors import GraphError, Problem, Span, suggest
from ..language import expressions as e
from ..language.sections import EXAMPLES, Sections, read_sections
from ..language.source import Source
from ..language.validation import Path
from ..schedule import Schedule
from ..spec import AUTO, GraphFile, TermSpec
from .calls import Call, Slot, Tape, Value
from .nodes import Node, name_problem, read_nodes
from .plugins import load_components
from .wiring import Wiring


@dataclass(frozen=True)
class Term:
    """One term of the loss: the mean of its slots times `factor` and `weight`."""

    name: str
    slots: tuple[Slot, ...]
    factor: float
    weight: float | Schedule[float]
    span: Span | None


@dataclass(frozen=True)
class Graph:
    """A graph whose wiring is right. `calls` are in the order in which they run, those of updates last."""

    spec: GraphFile
    source: Source
    nodes: Mapping[str, Node]
    values: Mapping[str, Value]
    calls: tuple[Call, ...]
    terms: tuple[Term, ...]
    batch: Mapping[str, Slot]
    read: frozenset[str]

    @property
    def name(self) -> str:
        return self.spec.graph

    @property
    def asks_for_batch(self) -> bool:
        """Whether the file has `batch: auto`."""
        data = self.source.data.get("data")
        return isinstance(data, dict) and data.get("batch") == AUTO

    def with_batch(self, batch: int) -> Graph:
        """The same graph with another `data.batch`."""
        data = self.spec.data.model_copy(update={"batch": batch})
        return replace(self, spec=self.spec.model_copy(update={"data": data}))

    def resolved(self) -> dict[str, Any]:
        """Everything merged and all defaults filled in, as plain values."""
        data = _without_nothing(self.spec, self.spec.model_dump(mode="json", by_alias=True))
        data["nodes"] = {
            name: {
                "use": node.component.name,
                **node.config.model_dump(mode="json", by_alias=True),
                **node.every.model_dump(mode="json", exclude_defaults=True),
            }
            for name, node in self.nodes.items()
        }
        if self.spec.train.steps is not None:
            del data["train"]["epochs"]  # of which nothing depends then
        return data

    def hash(self) -> str:
        """Identifies what is computed: of the resolved graph without its name and description."""
        data = {k: v for k, v in self.resolved().items() if k not in ("graph", "description", "allow")}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]

    def update_calls(self) -> tuple[Call, ...]:
        return tuple(c for c in self.calls if c.section == "update")

    def step_calls(self) -> tuple[Call, ...]:
        return tuple(c for c in self.calls if c.section != "update")

    def digraph(self) -> nx.DiGraph[int | str]:
        """Calls (by id) and batch fields (by name), an edge for each slot that flows; edges carry the slots."""
        graph: nx.DiGraph[int | str] = nx.DiGraph()
        maker: dict[int, int | str] = {slot.id: name for name, slot in self.batch.items()}
        graph.add_nodes_from(self.batch)
        for call in self.calls:
            graph.add_node(call.id, call=call)
            maker.update({slot.id: call.id for slot in call.outputs})
        for call in self.calls:
            for slot in call.inputs():
                source = maker[slot.id]
                if not graph.has_edge(source, call.id):
                    graph.add_edge(source, call.id, slots=[])
                graph.edges[source, call.id]["slots"].append(slot)
        return graph

    @cached_property
    def maker(self) -> Mapping[int, Call]:
        """The call that fills a slot, by the slot's id; a field of the batch is filled by none."""
        return {slot.id: call for call in self.calls for slot in call.outputs}

    @cached_property
    def _wires(self) -> nx.DiGraph[int | str]:
        return self.digraph()

    def before(self, slot: Slot) -> list[Call]:
        """Every call on which a slot depends within a step, its own included, in order."""
        call = self.maker.get(slot.id)
        if call is None:
            return []
        ids = {*nx.ancestors(self._wires, call.id), call.id}
        return [self.calls[i] for i in sorted(self._places[i] for i in ids if i in self._places)]

    @cached_property
    def _places(self) -> Mapping[int | str, int]:
        """Where a call stands among the calls, by its id."""
        return {call.id: i for i, call in enumerate(self.calls)}


def _without_nothing(model: BaseModel, data: dict[str, Any]) -> dict[str, Any]:
    """A model's data without what is null by default; a null that turns something off stays."""
    for name, declared in type(model).model_fields.items():
        value = getattr(model, name)
        if value is None and declared.default is None:
            data.pop(name)
        elif isinstance(value, BaseModel):
            _without_nothing(value, data[name])
    return data


def read(source: Source) -> Graph:
    """Validates the file and wires the graph; raises GraphError with every problem found."""
    problems: list[Problem] = []
    sections = read_sections(source, problems)
    if sections is None:
        raise GraphError(problems)
    spec, before = sections.spec, len(problems)
    load_components(spec.components, source, problems)
    incomplete = len(problems) > before or "components" in sections.lacking
    nodes = read_nodes(spec.nodes, source, problems, broken=sections.nodes, incomplete=incomplete)
    if {"nodes", "flow"} & sections.lacking:  # every name would be unknown
        raise GraphError(problems)
    tape = Tape(problems)
    wiring = Wiring(nodes, tape, source, refused={name for name in spec.nodes if name_problem(name, "node")})
    _read_flow(sections, source, wiring)
    terms = _read_loss(spec, source, wiring)
    _read_updates(spec, source, wiring)
    if "update" not in sections.lacking:
        _missing_updates(source, wiring)
    _check_names(spec, source, wiring)
    if problems:
        raise GraphError(problems)
    values = {k: v for k, v in wiring.values.items() if v is not None}
    known = {k: n for k, n in nodes.items() if n is not None}
    return Graph(spec, source, known, values, tuple(tape.calls), tuple(terms), wiring.batch, frozenset(wiring.read))


# -- flow ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    key: str
    names: tuple[tuple[str, Span], ...]
    expression: e.Expr | None


def _read_flow(sections: Sections, source: Source, wiring: Wiring) -> None:
    lines = [line for key, text in sections.spec.flow.items() if (line := _flow_line(key, text, source, wiring))]
    owner: dict[str, _Line] = {}
    for line in lines:
        for name, span in line.names:
            if reason := _refusal(name, line, owner, wiring):
                wiring.tape.problems.append(Problem(reason, span))
                wiring.refused.add(name)
            owner.setdefault(name, line)
    broken = [name.strip() for key in sections.values for name in key.split(",")]
    for name in (*owner, *broken):
        wiring.values[name] = None
    for line in _in_order(lines, owner, wiring):
        if line.expression is not None:
            name = line.names[0][0] if len(line.names) == 1 else ""
            value = wiring.line("flow", name, line.expression)
            if wiring.refused.isdisjoint(n for n, _ in line.names):
                _assign(line, value, wiring)


def _refusal(name: str, line: _Line, owner: Mapping[str, _Line], wiring: Wiring) -> str | None:
    """Why a line may not give its value this name."""
    if name in wiring.nodes:
        return f"'{name}' is the name of a node already: a value needs another"
    if name in owner:
        who = "the line gives two values" if owner[name] is line else "two lines give a value"
        return f"{who} called '{name}'"
    return name_problem(name, "value")


def _flow_line(key: str, text: str, source: Source, wiring: Wiring) -> _Line | None:
    at = source.at(("flow", key), key=True)
    names: list[tuple[str, Span]] = []
    expression = None
    try:
        names = e.parse_names(key, at)
        expression = e.parse(text, source.at(("flow", key)))
    except GraphError as error:
        wiring.tape.problems.extend(error.problems)
    return _Line(key, tuple(names), expression) if names else None


def _in_order(lines: list[_Line], owner: Mapping[str, _Line], wiring: Wiring) -> list[_Line]:
    """The lines, each after those whose values it uses; lines that use each other are noted and left out."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(lines)))
    place = {id(line): i for i, line in enumerate(lines)}
    for i, line in enumerate(lines):
        for name in _names_in(line.expression) if line.expression else ():
            if name in owner:
                graph.add_edge(place[id(owner[name])], i)
    for group in list(nx.strongly_connected_components(graph)):
        ring = sorted(group)
        if len(ring) > 1 or graph.has_edge(ring[0], ring[0]):
            keys = [lines[i].key for i in ring]
            message = f"a value cannot depend on itself: {' -> '.join([*keys, keys[0]])}"
            hint = "what a step carries over to the next is a state: a target, a queue or a bank, written in update:"
            wiring.tape.problems.append(Problem(message, lines[ring[0]].names[0][1], hint))
            graph.remove_nodes_from(group)
    return [lines[i] for i in nx.lexicographical_topological_sort(graph)]


def _names_in(expression: e.Expr) -> Iterator[str]:
    match expression:
        case e.Name(id=name):
            yield name
        case e.Part(value=value) | e.Index(value=value):
            yield from _names_in(value)
        case e.Call(args=args, keywords=keywords):
            for argument in (*args, *keywords.values()):
                yield from _names_in(argument)


def _assign(line: _Line, value: Value | None, wiring: Wiring) -> None:
    """Gives the value to the line's name, or its parts or views to several names."""
    if value is None:
        return
    if len(line.names) == 1:
        wiring.values[line.names[0][0]] = value
        return
    pieces = list(value.parts.values()) if value.parts is not None else [Value((slot,)) for slot in value.slots]
    if len(pieces) != len(line.names):
        what = "part" if value.parts is not None else "view"
        count = f"one {what}" if len(pieces) == 1 else f"{len(pieces)} {what}s"
        message = f"{len(line.names)} names for {count}"
        hint = f"it gives {value.describe()}" if value.parts is not None else None
        wiring.tape.problems.append(Problem(message, line.names[0][1], hint))
        wiring.refused |= {name for name, _ in line.names}
        return
    for (name, _), piece in zip(line.names, pieces, strict=True):
        wiring.values[name] = piece


# -- loss and updates ----------------------------------------------------------------------------------------


def _read_loss(spec: GraphFile, source: Source, wiring: Wiring) -> list[Term]:
    if not spec.loss and not wiring.tape.problems:
        at = source.at(("loss",), key=True)
        wiring.tape.problems.append(Problem("there is no loss term", at, f"as in {EXAMPLES['loss']}"))
    terms = (_read_term(name, entry, source, wiring) for name, entry in spec.loss.items())
    return [term for term in terms if term is not None]


def _read_term(name: str, entry: str | TermSpec, source: Source, wiring: Wiring) -> Term | None:
    path: Path = ("loss", name)
    if reason := name_problem(name, "loss term"):
        wiring.tape.problems.append(Problem(reason, source.at(path, key=True)))
        return None
    text, weight = (entry.value, entry.weight) if isinstance(entry, TermSpec) else (entry, 1.0)
    if _is_off(weight):
        message = f"a weight of 0 takes '{name}' out of the loss"
        wiring.tape.problems.append(Problem(message, source.at((*path, "weight")), e.TAKE_OUT))
    at = source.at((*path, "value") if isinstance(entry, TermSpec) else path)
    try:
        factor, expression = e.parse_term(text, at)
    except GraphError as error:
        wiring.tape.problems.extend(error.problems)
        return None
    value = wiring.line("loss", name, expression)
    if value is None or not _is_number(value, at, wiring):
        return None
    return Term(name, value.slots, factor, weight, at)


def _is_off(weight: float | Schedule[float]) -> bool:
    """Whether a weight is 0 all the time."""
    if not isinstance(weight, Schedule):
        return weight == 0
    return weight.start == 0 and (weight.end == 0 or weight.shape == "constant")


def _is_number(value: Value, at: Span, wiring: Wiring) -> bool:
    wrong = [s for s in value.all_slots() if s.kind != "tensor" or s.axes != ((),)]
    if wrong or not value.slots:
        got = f"{wrong[0].kind} from {wrong[0]}" if wrong else "nothing"
        message = f"a loss term is one number, but this is {got}"
        wiring.tape.problems.append(Problem(message, at, "an objective gives one: objective(critic(query, key))"))
        return False
    return True


def _read_updates(spec: GraphFile, source: Source, wiring: Wiring) -> None:
    for name, text in spec.update.items():
        at_key, at = source.at(("update", name), key=True), source.at(("update", name))
        try:
            call = e.parse(text, at)
        except GraphError as error:
            wiring.tape.problems.extend(error.problems)
            continue
        if name not in wiring.nodes:
            _leftover_update(name, at_key, wiring)
            continue
        node = wiring.nodes[name]
        problem = _update_problem(node, call, at_key, at) if node is not None else None
        if problem:
            wiring.tape.problems.append(problem)
        elif node is not None and isinstance(call, e.Call):
            wiring.update(node, call)


def _leftover_update(name: str, at: Span, wiring: Wiring) -> None:
    """Notes an update of a node that is not there."""
    stateful = [n for n, node in wiring.nodes.items() if node is not None and node.component.updates]
    removal = wiring.source.removal(("nodes", name))
    hint = f"{removal}; `{name}: null` under update: takes this line out too" if removal else None
    wiring.unknown("node", name, at, stateful, hint)


def _update_problem(node: Node, call: e.Expr, at_key: Span, at: Span) -> Problem | None:
    name = node.name
    updates = node.component.updates
    if not updates:
        return Problem(f"'{name}' ({node.component.name}) has no state to update", at_key, "take the line out")
    usage = " or ".join(f"{k}({', '.join(p.name for p in s.inputs)})" for k, s in updates.items())
    if not isinstance(call, e.Call):
        return Problem("an update is one call of the node's update method", at, f"{name}: {usage}")
    if call.node not in updates:
        hint = suggest(call.node, updates).text if len(updates) > 1 else f"it is {name}: {usage}"
        return Problem(f"'{name}' ({node.component.name}) has no update '{call.node}'", call.name_span, hint)
    return None


def _missing_updates(source: Source, wiring: Wiring) -> None:
    written = source.data.get("update") or {}
    for name, node in wiring.nodes.items():
        told = name in written or name in wiring.refused or name in wiring.misplaced
        if node is not None and node.component.updates and not told:
            usage = [f"{k}({', '.join(p.name for p in s.inputs)})" for k, s in node.component.updates.items()]
            message = f"the state of '{name}' ({node.component.name}) is never written"
            hint = f"in update: write {name}: {' or '.join(usage)}"
            wiring.tape.problems.append(Problem(message, node.span, hint))


# -- train and evaluate --------------------------------------------------------------------------------------


def _check_names(spec: GraphFile, source: Source, wiring: Wiring) -> None:
    """Notes nodes and values that are named and not there."""
    nodes, values = wiring.nodes, wiring.values
    for name in spec.train.nodes:
        if name not in nodes:
            at = source.at(("train", "nodes", name), key=True)
            wiring.unknown("node", name, at, nodes, source.removal(("nodes", name)))
    features = spec.evaluate.features
    if features is not None and features not in nodes and features not in values:
        at = source.at(("evaluate", "features"))
        removal = source.removal(("nodes", features)) or source.removal(("flow", features))
        wiring.unknown("node and no value", features, at, [*nodes, *values], removal, "nodes and values")
