"""What is checked once shapes are known, one small function a rule; its docstring is what `graphssl explain` prints.

Errors stop a run, warnings do not. A graph file turns a rule off with `allow: [G201]`.
"""

from __future__ import annotations

from ...errors import Problems, suggest
from ...graph.graph import Graph
from ..shapes import Shapes
from . import always, collapse, dense, gradient, labels, masks, negatives, ranges, training  # each registers its rules
from .facts import Facts
from .rule import RULES, Rule, rule

__all__ = [
    "RULES", "Facts", "Rule", "always", "check", "collapse", "dense", "explain", "gradient", "labels", "masks",
    "negatives", "ranges", "rule", "training",
]  # fmt: skip


def check(graph: Graph, shapes: Shapes, found: Problems) -> None:
    """Notes the findings of all rules that the graph does not turn off."""
    facts = Facts(graph, shapes)
    always.find(facts, found)
    for code, entry in RULES.items():
        if code not in graph.spec.allow:
            own = found.of(code, entry.severity)
            entry.find(facts, own)
            found.merge(own)


def explain(code: str) -> str:
    """A rule in full. Raises LookupError with a suggestion for a code that does not exist."""
    entry = RULES.get(code.upper())
    if entry is None:
        raise LookupError(suggest(code.upper(), RULES, "codes are").text or "")
    grave = "an error" if entry.severity == "error" else "a warning"
    off = f"It is {grave}; a graph file turns it off with allow: [{entry.code}]."
    return f"{entry.code}: {entry.title}\n\n{entry.explanation}\n\n{off}"
