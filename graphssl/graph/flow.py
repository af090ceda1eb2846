"""The `flow:` section: which values each line makes, and the lines in the order in which they are followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from .calls import Value
from .graph import Line
from .language import expressions as e
from .language.parse import parse, parse_names
from .language.sections import Sections
from .names import check_name
from .scope import Scope
from .switches import switch_for
from .wiring import Wiring

__all__ = ["read_flow"]

NO_PART = "no_part_is_called_so"


@dataclass(frozen=True)
class _Draft:
    """A line whose names are known; expression: None where it is in error."""

    key: str
    names: tuple[e.Name, ...]
    expression: e.Expr | None


def read_flow(sections: Sections, wiring: Wiring) -> list[Line]:
    """Makes the values of the flow; gives the lines that can be read, as they are written."""
    scope = wiring.scope
    drafts = [draft for key, text in sections.spec.flow.items() if (draft := _draft(key, text, scope))]
    owner: dict[str, _Draft] = {}
    for draft in drafts:
        for name in draft.names:
            _check_value(name, draft, owner, scope)
            owner.setdefault(name.id, draft)
    broken = [name.strip() for key in sections.values for name in key.split(",")]
    scope.values.update(dict.fromkeys((*owner, *broken)))
    for draft in _in_order(drafts, owner, scope):
        if draft.expression is not None:
            label = draft.names[0].id if len(draft.names) == 1 else ""
            value = wiring.line("flow", label, draft.expression)
            if value is not None and scope.refused.isdisjoint(n.id for n in draft.names):
                _assign(draft.names, value, scope)
    return [Line("flow", d.names, d.expression) for d in drafts if d.expression is not None]


def _draft(key: str, text: str, scope: Scope) -> _Draft | None:
    names = parse_names(key, scope.source.at(("flow", key), key=True), scope.problems)
    if not names:
        return None
    return _Draft(key, tuple(names), parse(text, scope.source.at(("flow", key)), scope.problems))


def _check_value(name: e.Name, draft: _Draft, owner: Mapping[str, _Draft], scope: Scope) -> None:
    """Notes a name that a line may not give its value, and refuses it."""
    before = len(scope.problems)
    if name.id in scope.nodes:
        message = f"'{name.id}' is the name of a node already: a value needs another"
        scope.problems.add(message, name.span, about=name.id)
    elif name.id in owner:
        who = "the line gives two values" if owner[name.id] is draft else "two lines give a value"
        scope.problems.add(f"{who} called '{name.id}'", name.span, _way_out(owner[name.id], draft), about=name.id)
    else:
        check_name(name.id, "value", name.span, scope.problems)
    if len(scope.problems) > before:
        scope.refused.add(name.id)


def _way_out(first: _Draft, second: _Draft) -> str | None:
    """Which line gives the value too; one of a file that this one extends is replaced under its own key."""
    if first is second:
        return None
    there, here = first.names[0].span, second.names[0].span
    if there.file == here.file:
        return f"line {there.line} gives it too"
    return f"`{first.key}:` of {there.file}, line {there.line}, gives it too; `{first.key}: null` takes that out"


def _in_order(drafts: Sequence[_Draft], owner: Mapping[str, _Draft], scope: Scope) -> list[_Draft]:
    """The lines, each after those whose values it uses; lines that use each other are noted and left out."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(drafts)))
    place = {id(draft): i for i, draft in enumerate(drafts)}
    for i, draft in enumerate(drafts):
        used = e.names_in(draft.expression) if draft.expression is not None else ()
        graph.add_edges_from((place[id(owner[name])], i) for name in used if name in owner)
    for group in list(nx.strongly_connected_components(graph)):
        ring = sorted(group)
        if len(ring) > 1 or graph.has_edge(ring[0], ring[0]):
            keys = [drafts[i].key for i in ring]
            message = f"a value cannot depend on itself: {' -> '.join([*keys, keys[0]])}"
            hint = "what a step carries over to the next is a state: a target, a queue or a bank, written in update:"
            scope.problems.add(message, drafts[ring[0]].names[0].span, hint)
            graph.remove_nodes_from(group)
    return [drafts[i] for i in nx.lexicographical_topological_sort(graph)]


def _assign(names: Sequence[e.Name], value: Value, scope: Scope) -> None:
    """Gives the value to the line's name, or its parts or views to several names."""
    if len(names) == 1:
        scope.values[names[0].id] = value
        return
    before = len(scope.problems)
    _check_names(names, value, scope)
    pieces = list(value.parts.values()) if value.parts is not None else [Value((slot,)) for slot in value.slots]
    if len(pieces) != len(names) and len(scope.problems) == before:
        what = "part" if value.parts is not None else "view"
        count = f"one {what}" if len(pieces) == 1 else f"{len(pieces)} {what}s"
        hint = f"it gives {value.describe()}" if value.parts is not None else None
        scope.problems.add(f"{len(names)} names for {count}", names[0].span, hint)
    if len(scope.problems) > before:
        scope.refused |= {name.id for name in names}
        return
    scope.values.update(zip((name.id for name in names), pieces, strict=True))


def _check_names(names: Sequence[e.Name], value: Value, scope: Scope) -> None:
    """Notes the first name that is another part's, or that of a part which the node would give beside its views."""
    parts = list(value.parts or ())
    for place, name in enumerate(names):
        if name.id in parts and parts.index(name.id) != place:
            message = (
                f"'{name.id}' is number {parts.index(name.id) + 1} of the parts, and number {place + 1} of the names"
            )
            hint = f"names are given in the order of the parts: {', '.join(parts)}"
        elif value.parts is None and (switch := _switch_for(name.id, value, scope)):
            message, hint = f"'{value.slots[0].node}' gives no part '{name.id}'", switch
        else:
            continue
        scope.problems.add(message, name.span, hint, about=name.id)
        return


def _switch_for(part: str, views: Value, scope: Scope) -> str | None:
    """The option that gives a node this part; None where any name would be one."""
    node = scope.nodes.get(views.slots[0].node) if views.slots else None
    if node is None or switch_for(NO_PART, node, scope.nodes):
        return None
    return switch_for(part, node, scope.nodes)
