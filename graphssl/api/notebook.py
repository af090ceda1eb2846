"""How a notebook shows graphs and differences of two: they draw themselves. Other results have tables of their own."""

from __future__ import annotations

from typing import Any

from ..console import ipython

__all__ = ["show_in_notebooks"]

SVG = "image/svg+xml"
DRAWN = {
    "graphssl.graph.graph": "Graph",
    "graphssl.checks.checked": "Checked",
    "graphssl.graph.difference": "Difference",
}


def show_in_notebooks() -> None:
    """Tells the notebook that this is, where it is one, how graphs are drawn."""
    if (shell := ipython()) is None:
        return
    drawing = shell.display_formatter.formatters[SVG]
    for module, name in DRAWN.items():
        drawing.for_type_by_name(module, name, _drawn)


def _drawn(graph: Any) -> str:
    """As `graphssl show -o graph.svg` draws it; of what is wrong with it `check` tells."""
    from ..errors import GraphError
    from .graphs import draw

    try:
        return draw(graph, "svg").decode()
    except GraphError as error:
        raise NotImplementedError(str(error)) from None  # IPython shows its text, then
