"""The `update:` section: how states are written, and which are not."""

from __future__ import annotations

from collections.abc import Iterator

from ..component import Component
from ..errors import Span, suggest
from .graph import Line
from .language import expressions as e
from .language.parse import parse
from .nodes import Node
from .scope import Scope
from .spec import GraphFile, UpdateSpec
from .wiring import Wiring

__all__ = ["note_missing_updates", "read_updates"]


Entry = str | UpdateSpec


def read_updates(spec: GraphFile, wiring: Wiring) -> list[Line]:
    """Makes the calls of updates; gives the lines that can be read."""
    scope, lines = wiring.scope, []
    for name, entry in spec.update.items():
        at_key = scope.source.at(("update", name), key=True)
        parsed = list(_parsed(name, entry, scope))
        if parsed and name not in scope.nodes:
            _note_leftover(name, at_key, scope)
        if (node := scope.nodes.get(name)) is None:
            continue
        for one, expression in parsed:
            call = _update_of(node, expression, at_key, expression.span, scope)
            every = one.every if isinstance(one, UpdateSpec) else "step"
            if call is not None and (every == "step" or _stands_alone(node, call, scope)):
                wiring.update(node, call, every)
                lines.append(Line("update", (e.Name(name, at_key),), call))
    return lines


def _parsed(name: str, entry: Entry | list[Entry], scope: Scope) -> Iterator[tuple[Entry, e.Expr]]:
    """Each update of a node with its expression; notes what cannot be read, and one that stands twice."""
    said: set[str] = set()
    for i, one in enumerate(entry if isinstance(entry, list) else [entry]):
        path = ("update", name, i) if isinstance(entry, list) else ("update", name)
        text = one.call if isinstance(one, UpdateSpec) else one
        span = scope.source.at((*path, "call") if isinstance(one, UpdateSpec) else path)
        if (bare := "".join(text.split())) in said:
            scope.problems.add(f"'{name}' has this update twice", span, "take one of them out", about=name)
            continue
        said.add(bare)
        if (expression := parse(text, span, scope.problems)) is not None:
            yield one, expression


def _stands_alone(node: Node, call: e.Call, scope: Scope) -> bool:
    """Whether an update takes no value of a step; notes where one that is run between steps does."""
    given = [*call.args, *call.keywords.values()]
    if not given:
        return True
    message = f"'{node.name}.{call.node}' is run at the end of an epoch, where a step has no values to give it"
    hint = "what it reads is a state of a node that it names: a bank that each step writes; or leave `every: epoch` out"
    scope.problems.add(message, given[0].span, hint, about=node.name)
    return False


def _note_leftover(name: str, at: Span, scope: Scope) -> None:
    """Notes an update of a node that is not there."""
    stateful = [n for n, node in scope.nodes.items() if node is not None and node.component.updates]
    removal = scope.source.removal(("nodes", name))
    hint = f"{removal}; `{name}: null` under update: takes this line out too" if removal else None
    scope.unknown("node", name, at, stateful, hint)


def _update_of(node: Node, expression: e.Expr, at_key: Span, at: Span, scope: Scope) -> e.Call | None:
    """The call of one of the node's updates; None where the expression is none, which is noted."""
    title, updates = f"'{node.name}' ({node.component.name})", node.component.updates
    usage = f"{node.name}: {_usage(node.component)}"
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
        told = written.get(name, []) != [] or name in scope.refused or name in scope.misplaced
        if node is not None and node.component.updates and not told:
            message = f"the state of '{name}' ({node.component.name}) is never written"
            hint = f"in update: write {name}: {_usage(node.component)}"
            scope.problems.add(message, node.span, hint, about=name)


def _usage(component: Component) -> str:
    """How its updates are written; one that looks at a whole bank is for the ends of epochs."""
    calls = {f"{name}({', '.join(p.name for p in ports.inputs)})": ports for name, ports in component.updates.items()}
    late = "fits" in component.traits
    ways = [call if ports.inputs or not late else f"{{call: {call}, every: epoch}}" for call, ports in calls.items()]
    return " or ".join(ways)
