"""What is checked once shapes are known, one small function a rule; its docstring is what `graphssl explain` prints.

Errors stop a run, warnings do not. A graph file turns a rule off with `allow: [G201]`.
"""

from __future__ import annotations

from ...errors import GraphError, Problem, in_file_order, suggest
from ...graph.graph import Graph
from ..shapes import Shapes
from . import always, collapse, gradient, negatives, training  # each registers its rules
from .facts import Facts
from .rule import RULES, Finding, Rule, rule

__all__ = [
    "RULES", "Facts", "Finding", "Rule", "always", "check", "collapse", "explain", "gradient", "negatives", "rule",
    "training",
]  # fmt: skip


def check(graph: Graph, shapes: Shapes) -> list[Problem]:
    """The warnings of all rules, in file order; raises GraphError where a rule finds an error."""
    facts = Facts(graph, shapes)
    problems = list(always.find(facts))
    for code, entry in RULES.items():
        if code not in graph.spec.allow:
            problems += [Problem(*found, code, entry.severity) for found in entry.find(facts)]
    if any(p.severity == "error" for p in problems):
        raise GraphError(problems)
    return in_file_order(problems)


def explain(code: str) -> str:
    """A rule in full. Raises LookupError with a suggestion for a code that does not exist."""
    entry = RULES.get(code.upper())
    if entry is None:
        raise LookupError(suggest(code.upper(), RULES, "codes are").text or "")
    grave = "an error" if entry.severity == "error" else "a warning"
    off = f"It is {grave}; a graph file turns it off with allow: [{entry.code}]."
    return f"{entry.code}: {entry.title}\n\n{entry.explanation}\n\n{off}"
