"""What the expressions of a graph say of pairs and views."""

from __future__ import annotations

from ...errors import Span
from ...graph.graph import Graph
from ...graph.language.expressions import calls_in

TOLD = {("pairs", "cross"): "cross pairs", ("views", "fold"): "views folded", ("views", "each"): "each view"}


def options_of(graph: Graph) -> dict[Span, str]:
    """By the place of a call: `cross pairs`, `views folded`. Calls that say nothing are left out."""
    found: dict[Span, str] = {}
    for line in graph.lines:
        for call in calls_in(line.expression) if line.section != "update" else ():
            text = ", ".join(TOLD[key, value] for key, (value, _) in call.options.items() if (key, value) in TOLD)
            if text:
                found[call.span] = text
    return found
