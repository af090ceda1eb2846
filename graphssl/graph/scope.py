"""What the names of a graph stand for while its lines are read, and what is said of a name that nobody has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import Problems, Span, suggest
from .calls import Value
from .language import expressions as e
from .language.source import Source
from .nodes import Node

__all__ = ["BATCH_AXES", "BUILT_IN", "Scope"]

BUILT_IN = ("stopgrad", "views")
BATCH_AXES = {"image": ("b", "c", "h", "w"), "index": ("b",), "label": ("b",)}


@dataclass
class Scope:
    """The nodes, and the values of the flow so far, by name.

    One in error is None; what depends on it is skipped, so that one mistake is told once.

    used: values that are read. refused: names that nodes or values were given and may not have; a name that nobody
    knows may stand for one. misplaced: nodes whose update is called outside of `update:`.
    """

    nodes: Mapping[str, Node | None]
    source: Source
    problems: Problems
    refused: set[str] = field(default_factory=set)
    values: dict[str, Value | None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    misplaced: set[str] = field(default_factory=set)

    def value(self, name: e.Name) -> Value | None:
        """What a name stands for in an expression."""
        if name.id in self.values:
            self.used.add(name.id)
            return self.values[name.id]
        if name.id in self.nodes:
            self.problems.add(f"'{name.id}' is a node, not a value", name.span, f"call it: {name.id}(...)")
        else:
            names = [*self.values, *(f"batch.{one}" for one in BATCH_AXES)]
            self.unknown("value", name.id, name.span, names, self._removed("flow", name.id))
        return None

    def not_a_node(self, name: str, span: Span) -> None:
        """Notes the call of what is no node."""
        if name in self.values:
            self.problems.add(f"'{name}' is a value, not a node: it cannot be called", span)
            return
        hint = self._removed("nodes", name) or self._as_update(name)
        self.unknown("node", name, span, [*self.nodes, *BUILT_IN], hint)

    def unknown(
        self, what: str, name: str, span: Span, names: Iterable[str], hint: str | None = None, plural: str = ""
    ) -> None:
        """Notes a name that is nobody's: once, if it is like no other, and not where it may stand for one refused."""
        others = [n for n in names if n not in self.refused]
        told = self.refused or any(p.kind == "unknown" and p.about == name for p in self.problems)
        if hint or not told or suggest(name, others).near:
            self.problems.unknown_name(what, name, span, others, hint, plural)

    def _removed(self, section: str, name: str) -> str | None:
        """A hint where a line is left over from another graph, and what it uses was taken out."""
        removal = self.source.removal((section, name))
        return f"{removal}; change this line too, or take it out with null" if removal else None

    def _as_update(self, method: str) -> str | None:
        """A hint where an update is written as a call of the flow."""
        names = [n for n, node in self.nodes.items() if node is not None and method in node.component.updates]
        self.misplaced.update(names)
        return f"'{method}' is an update: it stands under update:, as in {names[0]}: {method}(...)" if names else None
