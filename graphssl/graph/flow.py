"""The `flow:` section: what each line calls a value, and the values in the order in which they are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import networkx as nx

from ..errors import GraphError, Problem, Span
from ..language import expressions as e
from ..language.sections import Sections
from ..language.source import Source
from .calls import Value
from .nodes import name_problem
from .wiring import Wiring


@dataclass(frozen=True)
class Line:
    key: str
    names: tuple[tuple[str, Span], ...]
    expression: e.Expr | None


def read_flow(sections: Sections, source: Source, wiring: Wiring) -> None:
    lines = [line for key, text in sections.spec.flow.items() if (line := _flow_line(key, text, source, wiring))]
    owner: dict[str, Line] = {}
    for line in lines:
        for name, span in line.names:
            if reason := _refusal(name, line, owner, wiring):
                wiring.calls.problems.append(Problem(reason, span))
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


def _refusal(name: str, line: Line, owner: Mapping[str, Line], wiring: Wiring) -> str | None:
    """Why a line may not give its value this name."""
    if name in wiring.nodes:
        return f"'{name}' is the name of a node already: a value needs another"
    if name in owner:
        who = "the line gives two values" if owner[name] is line else "two lines give a value"
        return f"{who} called '{name}'"
    return name_problem(name, "value")


def _flow_line(key: str, text: str, source: Source, wiring: Wiring) -> Line | None:
    at = source.at(("flow", key), key=True)
    names: list[tuple[str, Span]] = []
    expression = None
    try:
        names = e.parse_names(key, at)
        expression = e.parse(text, source.at(("flow", key)))
    except GraphError as error:
        wiring.calls.problems.extend(error.problems)
    return Line(key, tuple(names), expression) if names else None


def _in_order(lines: list[Line], owner: Mapping[str, Line], wiring: Wiring) -> list[Line]:
    """The lines, each after those whose values it uses; lines that use each other are noted and left out."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(lines)))
    place = {id(line): i for i, line in enumerate(lines)}
    for i, line in enumerate(lines):
        for name in names_in(line.expression) if line.expression else ():
            if name in owner:
                graph.add_edge(place[id(owner[name])], i)
    for group in list(nx.strongly_connected_components(graph)):
        ring = sorted(group)
        if len(ring) > 1 or graph.has_edge(ring[0], ring[0]):
            keys = [lines[i].key for i in ring]
            message = f"a value cannot depend on itself: {' -> '.join([*keys, keys[0]])}"
            hint = "what a step carries over to the next is a state: a target, a queue or a bank, written in update:"
            wiring.calls.problems.append(Problem(message, lines[ring[0]].names[0][1], hint))
            graph.remove_nodes_from(group)
    return [lines[i] for i in nx.lexicographical_topological_sort(graph)]


def names_in(expression: e.Expr) -> Iterator[str]:
    match expression:
        case e.Name(id=name):
            yield name
        case e.Part(value=value) | e.Index(value=value):
            yield from names_in(value)
        case e.Call(args=args, keywords=keywords):
            for argument in (*args, *keywords.values()):
                yield from names_in(argument)


def _assign(line: Line, value: Value | None, wiring: Wiring) -> None:
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
        wiring.calls.problems.append(Problem(message, line.names[0][1], hint))
        wiring.refused |= {name for name, _ in line.names}
        return
    for (name, _), piece in zip(line.names, pieces, strict=True):
        wiring.values[name] = piece
