"""In what two graphs differ, part by part: nodes, lines of the flow, the loss and the updates, values of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .changes import differences
from .graph import Graph
from .parts import KEPT, MISSING, Part, changed_parts

__all__ = ["Difference", "Value", "difference_of", "how", "unseen", "values_of"]

NAMES = ("graph", "description")  # which say nothing of what is done
SAID = 5  # parts that are named
How = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class Value:
    """A value below a part, by its dotted key within it; MISSING where it is not there."""

    key: str
    was: Any
    now: Any


@dataclass(frozen=True)
class Difference:
    """parts: nodes first, then lines, then how it is trained and judged."""

    first: Graph
    last: Graph
    parts: tuple[Part, ...]

    def __repr__(self) -> str:
        keys = ", ".join(part.key for part in self.parts)
        return f"<Difference {self.first.name} -> {self.last.name}: {keys or 'none'}>"

    def of(self, section: str) -> list[Part]:
        """Those of a section."""
        return [part for part in self.parts if part.path[0] == section]

    @property
    def sections(self) -> list[str]:
        return list(dict.fromkeys(part.path[0] for part in self.parts))


def difference_of(first: Graph, last: Graph) -> Difference:
    """Of two graphs, by their resolved forms: what is a default on one side and written on the other is the same."""
    was, now = first.resolved(), last.resolved()
    parts = changed_parts(was, now)
    for section in KEPT:
        if section not in NAMES and was.get(section) != now.get(section):
            parts.append(Part((section,), was.get(section, MISSING), now.get(section, MISSING)))
    return Difference(first, last, tuple(parts))


def unseen(found: Difference) -> str:
    """In what two graphs differ beside what a picture of them shows, in a line."""
    parts = [part for part in found.parts if part.path[0] not in ("nodes", "flow", "loss", "update")]
    if not parts:
        return ""
    named = [part.key for part in parts[:SAID]]
    more = f" and {len(parts) - SAID} more" if len(parts) > SAID else ""
    return f"also: {', '.join(named)}{more}"


def how(part: Part) -> How:
    """What has become of a part."""
    return "added" if part.was is MISSING else "removed" if part.now is MISSING else "changed"


def values_of(part: Part) -> list[Value]:
    """The single values in which a part differs that both graphs have; none of one that is no mapping, or another
    component."""
    both = isinstance(part.was, Mapping) and isinstance(part.now, Mapping)
    if not both or part.was.get("use") != part.now.get("use"):
        return []
    return [Value(change.key, change.was, change.now) for change in differences(part.was, part.now)]
