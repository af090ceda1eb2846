"""What the expressions of a graph say of pairs and views."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Span
from ...graph.graph import Graph
from ...language import expressions as e
from ...spec import TermSpec

TOLD = {("pairs", "cross"): "cross pairs", ("views", "fold"): "views folded", ("views", "each"): "each view"}


def options_of(graph: Graph) -> dict[Span, str]:
    """By the place of a call: `cross pairs`, `views folded`. Calls that say nothing are left out."""
    found: dict[Span, str] = {}
    for tree in _expressions(graph):
        for call in _calls_in(tree):
            text = ", ".join(TOLD[key, value] for key, (value, _) in call.options.items() if (key, value) in TOLD)
            if text:
                found[call.span] = text
    return found


def _expressions(graph: Graph) -> Iterator[e.Expr]:
    spec, at = graph.spec, graph.source.at
    for name, text in spec.flow.items():
        yield e.parse(text, at(("flow", name)))
    for name, entry in spec.loss.items():
        text, path = (entry.value, ("loss", name, "value")) if isinstance(entry, TermSpec) else (entry, ("loss", name))
        yield e.parse_term(text, at(path))[1]


def _calls_in(tree: e.Expr) -> Iterator[e.Call]:
    match tree:
        case e.Call(args=args, keywords=keywords):
            yield tree
            for argument in (*args, *keywords.values()):
                yield from _calls_in(argument)
        case e.Part(value=value) | e.Index(value=value):
            yield from _calls_in(value)
