"""From a graph file to a call graph: nodes, calls in order, loss terms, updates.

`read` takes a loaded source to a `Graph`, or to all that is wrong with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx
from pydantic import BaseModel

from . import expr as e
from .errors import GraphError, Problem, Span, suggest
from .nodes import Node, name_problem, read_nodes
from .plugins import load_components
from .schedule import Schedule
from .source import Source
from .spec import GraphFile, TermSpec, validate
from .values import Call, Slot, Tape, Value
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

    def resolved(self) -> dict[str, Any]:
        """Everything merged and all defaults filled in, as plain values."""
        data = _without_nothing(self.spec, self.spec.model_dump(mode="json", by_alias=True))
        data["nodes"] = {
            name: {"use": node.component.name, **node.config.model_dump(mode="json", by_alias=True)}
            for name, node in self.nodes.items()
        }
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
    spec = _spec(source, problems)
    if spec is None:
        raise GraphError(problems)
    load_components(spec.components, source, problems)
    nodes = {**dict.fromkeys(_left_out("nodes", spec.nodes, source)), **read_nodes(spec.nodes, source, problems)}
    tape = Tape(problems)
    wiring = Wiring(nodes, tape)
    _read_flow(spec, source, wiring)
    terms = _read_loss(spec, source, wiring)
    _read_updates(spec, source, wiring)
    if problems:
        raise GraphError(problems)
    values = {k: v for k, v in wiring.values.items() if v is not None}
    ready = {k: n for k, n in nodes.items() if n is not None}
    return Graph(spec, source, ready, values, tuple(tape.calls), tuple(terms), wiring.batch, frozenset(wiring.read))


def _spec(source: Source, problems: list[Problem]) -> GraphFile | None:
    """The validated file. Where a key is wrong it is noted and left out, so that the rest is checked too."""
    spec, wrong = validate(GraphFile, source.data)
    if spec is not None:
        return spec
    for path, message, hint in wrong:
        problems.append(Problem(message, source.at(path, key=message.startswith("no key")), hint))
    data = json.loads(json.dumps(source.data))
    for path, _, _ in sorted(wrong, key=lambda w: len(w[0]), reverse=True):
        _remove(data, path)
    filled = {"graph": "graph", "nodes": {}, "flow": {}, "loss": {}, **data}
    return validate(GraphFile, filled)[0]


def _left_out(section: str, kept: Mapping[str, Any], source: Source) -> list[str]:
    """The keys of a section whose values are in error: what uses them is not in error too."""
    entries = source.data.get(section)
    return [key for key in entries if key not in kept] if isinstance(entries, dict) else []


def _remove(data: Any, path: tuple[str | int, ...]) -> None:
    *parents, last = path or ("",)
    for step in parents:
        if isinstance(data, list):  # one wrong entry spoils its list
            return
        data = data.get(step, {})
    if isinstance(data, dict):
        data.pop(last, None)


# -- flow ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    key: str
    names: tuple[tuple[str, Span], ...]
    expression: e.Expr | None


def _read_flow(spec: GraphFile, source: Source, wiring: Wiring) -> None:
    lines = [line for key, text in spec.flow.items() if (line := _flow_line(key, text, source, wiring))]
    owner: dict[str, _Line] = {}
    for line in lines:
        for name, span in line.names:
            reason = name_problem(name, "value")
            if name in wiring.nodes:
                reason = f"'{name}' is the name of a node already: a value needs another"
            elif name in owner:
                reason = f"two lines give a value called '{name}'"
            if reason:
                wiring.tape.problems.append(Problem(reason, span))
            owner.setdefault(name, line)
    broken = [name.strip() for key in _left_out("flow", spec.flow, source) for name in key.split(",")]
    for name in (*owner, *broken):
        wiring.values[name] = None
    for line in _in_order(lines, owner, wiring):
        if line.expression is not None:
            name = line.names[0][0] if len(line.names) == 1 else ""
            _assign(line, wiring.line("flow", name, line.expression), wiring)


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
        what = "parts" if value.parts is not None else "views"
        message = f"{len(line.names)} names for {len(pieces)} {what}"
        wiring.tape.problems.append(Problem(message, line.names[0][1], f"it gives {value.describe()}"))
        return
    for (name, _), piece in zip(line.names, pieces, strict=True):
        wiring.values[name] = piece


# -- loss and updates ----------------------------------------------------------------------------------------


def _read_loss(spec: GraphFile, source: Source, wiring: Wiring) -> list[Term]:
    terms = []
    if not spec.loss and not wiring.tape.problems:
        at = source.at(("loss",), key=True)
        wiring.tape.problems.append(Problem("there is no loss term", at, "as in loss: {infonce: objective(s)}"))
    for name, entry in spec.loss.items():
        path: tuple[str, ...] = ("loss", name)
        text, weight = (entry.value, entry.weight) if isinstance(entry, TermSpec) else (entry, 1.0)
        at = source.at((*path, "value") if isinstance(entry, TermSpec) else path)
        if reason := name_problem(name, "loss term"):
            wiring.tape.problems.append(Problem(reason, source.at(path, key=True)))
            continue
        try:
            factor, expression = e.parse_term(text, at)
        except GraphError as error:
            wiring.tape.problems.extend(error.problems)
            continue
        value = wiring.line("loss", name, expression)
        if value is not None and _is_number(value, at, wiring):
            terms.append(Term(name, value.slots, factor, weight, at))
    return terms


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
        problem = _update_problem(name, call, at_key, at, wiring)
        node = wiring.nodes.get(name)
        if problem:
            wiring.tape.problems.append(problem)
        elif node is not None and isinstance(call, e.Call):
            wiring.update(node, call)
    _missing_updates(spec, source, wiring)


def _update_problem(name: str, call: e.Expr, at_key: Span, at: Span, wiring: Wiring) -> Problem | None:
    stateful = [n for n, node in wiring.nodes.items() if node is not None and node.component.updates]
    if name not in wiring.nodes:
        return Problem(f"no node is called '{name}'", at_key, suggest(name, stateful, "nodes with a state are"))
    node = wiring.nodes[name]
    if node is None:
        return None
    updates = node.component.updates
    if not updates:
        return Problem(f"'{name}' ({node.component.name}) has no state to update", at_key, "take the line out")
    usage = " or ".join(f"{k}({', '.join(p.name for p in s.inputs)})" for k, s in updates.items())
    if not isinstance(call, e.Call):
        return Problem("an update is one call of the node's update method", at, f"{name}: {usage}")
    if call.node not in updates:
        hint = suggest(call.node, updates) if len(updates) > 1 else f"it is {name}: {usage}"
        return Problem(f"'{name}' ({node.component.name}) has no update '{call.node}'", call.name_span, hint)
    return None


def _missing_updates(spec: GraphFile, source: Source, wiring: Wiring) -> None:
    for name, node in wiring.nodes.items():
        if node is not None and node.component.updates and name not in spec.update:
            usage = [f"{k}({', '.join(p.name for p in s.inputs)})" for k, s in node.component.updates.items()]
            message = f"the state of '{name}' ({node.component.name}) is never written"
            hint = f"in update: write {name}: {' or '.join(usage)}"
            wiring.tape.problems.append(Problem(message, node.span, hint))
