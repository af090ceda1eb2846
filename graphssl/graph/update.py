"""The `update:` section: how states are written, and which are not."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import Span, suggest
from ..ports import Signature
from .graph import Line
from .language import expressions as e
from .language.parse import parse
from .nodes import Node
from .scope import Scope
from .spec import GraphFile
from .wiring import Wiring

__all__ = ["note_missing_updates", "read_updates"]


def read_updates(spec: GraphFile, wiring: Wiring) -> list[Line]:
    """Makes the calls of updates; gives the lines that can be read."""
    scope, at, lines = wiring.scope, wiring.scope.source.at, []
    for name, text in spec.update.items():
        at_key, span = at(("update", name), key=True), at(("update", name))
        expression = parse(text, span, scope.problems)
        if expression is None:
            continue
        if name not in scope.nodes:
            _note_leftover(name, at_key, scope)
            continue
        node = scope.nodes[name]
        if node is not None and (call := _update_of(node, expression, at_key, span, scope)) is not None:
            wiring.update(node, call)
            lines.append(Line("update", (e.Name(name, at_key),), call))
    return lines


def _note_leftover(name: str, at: Span, scope: Scope) -> None:
    """Notes an update of a node that is not there."""
    stateful = [n for n, node in scope.nodes.items() if node is not None and node.component.updates]
    removal = scope.source.removal(("nodes", name))
    hint = f"{removal}; `{name}: null` under update: takes this line out too" if removal else None
    scope.unknown("node", name, at, stateful, hint)


def _update_of(node: Node, expression: e.Expr, at_key: Span, at: Span, scope: Scope) -> e.Call | None:
    """The call of one of the node's updates; None where the expression is none, which is noted."""
    title, updates = f"'{node.name}' ({node.component.name})", node.component.updates
    usage = f"{node.name}: {' or '.join(_usage(updates))}"
    if not updates:
        scope.problems.add(f"{title} has no state to update", at_key, "take the line out", about=node.name)
    elif not isinstance(expression, e.Call):
        scope.problems.add("an update is one call of the node's update method", at, usage, about=node.name)
    elif expression.node not in updates:
        hint = suggest(expression.node, updates).text if len(updates) > 1 else f"it is {usage}"
        message = f"{title} has no update '{expression.node}'"
        scope.problems.add(message, expression.name_span, hint, about=node.name)
    else:
        return expression
    return None


def note_missing_updates(scope: Scope) -> None:
    """Notes the states that no line writes."""
    written = scope.source.data.get("update") or {}
    for name, node in scope.nodes.items():
        told = name in written or name in scope.refused or name in scope.misplaced
        if node is not None and node.component.updates and not told:
            message = f"the state of '{name}' ({node.component.name}) is never written"
            hint = f"in update: write {name}: {' or '.join(_usage(node.component.updates))}"
            scope.problems.add(message, node.span, hint, about=name)


def _usage(updates: Mapping[str, Signature]) -> list[str]:
    return [f"{name}({', '.join(p.name for p in ports.inputs)})" for name, ports in updates.items()]
