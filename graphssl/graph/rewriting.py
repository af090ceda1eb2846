"""Lines of a graph with some of their calls replaced, as text."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from typing import Any

from .graph import Graph
from .spec import TermSpec

__all__ = ["as_change", "calls_of", "changed_lines", "lines_of", "set_line"]

Replace = Callable[[ast.Call], ast.expr | None]  # what stands in a call's place; None for the call itself


def lines_of(graph: Graph) -> Iterator[tuple[str, str, str]]:
    """Each line of the flow and of the loss: its section, its key, its expression."""
    yield from (("flow", key, text) for key, text in graph.spec.flow.items())
    for key, term in graph.spec.loss.items():
        yield "loss", key, term.value if isinstance(term, TermSpec) else term


def changed_lines(graph: Graph, replace: Replace) -> list[str]:
    """The changes, as `--set` takes them, of the lines in which a call is replaced."""
    found = []
    for section, key, text in lines_of(graph):
        new = _rewritten(text, replace)
        if new is not None:
            found.append(set_line(graph, section, key, new))
    return found


def set_line(graph: Graph, section: str, key: str, text: str | None) -> str:
    """The change that gives a line another expression, or takes it out. A term keeps its weight."""
    entry = graph.spec.loss.get(key) if section == "loss" else None
    place = f"{section}.{key}"
    if isinstance(entry, TermSpec) and text is not None:
        place = f"{place}.value"
    return f"{place}={json.dumps(text)}"


def calls_of(graph: Graph, node: str) -> list[ast.Call]:
    """The calls of a node in the flow and in the loss, as they are written."""
    return [
        call
        for _, _, text in lines_of(graph)
        for call in ast.walk(_tree(text))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == node
    ]


def _tree(text: str) -> ast.expr:
    return ast.parse(f"({text.replace(chr(10), ' ')})", mode="eval").body


def _rewritten(text: str, replace: Replace) -> str | None:
    """The expression with what takes the place of its calls; None where none is replaced."""
    rewriter = _Rewriter(replace)
    tree = rewriter.visit(_tree(text))
    return ast.unparse(tree) if rewriter.hit else None


class _Rewriter(ast.NodeTransformer):
    """Replaces inner calls first."""

    def __init__(self, replace: Replace) -> None:
        self.replace, self.hit = replace, False

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        new = self.replace(node)
        self.hit = self.hit or new is not None
        return node if new is None else new


def as_change(key: str, value: Any) -> str:
    """A change as `--set` takes it."""
    return f"{key}={json.dumps(value)}"
