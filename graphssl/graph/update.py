"""The `update:` section: how states are written, and which are not."""

from __future__ import annotations

from ..errors import GraphError, Problem, Span, suggest
from ..language import expressions as e
from ..language.source import Source
from ..spec import GraphFile
from .nodes import Node
from .wiring import Wiring


def read_updates(spec: GraphFile, source: Source, wiring: Wiring) -> None:
    for name, text in spec.update.items():
        at_key, at = source.at(("update", name), key=True), source.at(("update", name))
        try:
            call = e.parse(text, at)
        except GraphError as error:
            wiring.calls.problems.extend(error.problems)
            continue
        if name not in wiring.nodes:
            _leftover_update(name, at_key, wiring)
            continue
        node = wiring.nodes[name]
        problem = _update_problem(node, call, at_key, at) if node is not None else None
        if problem:
            wiring.calls.problems.append(problem)
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


def note_missing_updates(source: Source, wiring: Wiring) -> None:
    written = source.data.get("update") or {}
    for name, node in wiring.nodes.items():
        told = name in written or name in wiring.refused or name in wiring.misplaced
        if node is not None and node.component.updates and not told:
            usage = [f"{k}({', '.join(p.name for p in s.inputs)})" for k, s in node.component.updates.items()]
            message = f"the state of '{name}' ({node.component.name}) is never written"
            hint = f"in update: write {name}: {' or '.join(usage)}"
            wiring.calls.problems.append(Problem(message, node.span, hint))
