"""The picture of a graph, in any of the four forms."""

from __future__ import annotations

from typing import Literal

from ..checks.shapes import Shapes
from ..graph.graph import Graph
from .figure.read import read_figure
from .paper.frame import scene_of
from .paper.mermaid import write_mermaid
from .paper.page import write_page
from .paper.png import write_png
from .paper.svg import write_svg

Kind = Literal["svg", "png", "html", "mermaid"]


def draw(graph: Graph, shapes: Shapes, kind: Kind) -> bytes:
    """The picture of a graph: SVG, PNG, a page that zooms, or mermaid's text. The same graph gives the same bytes."""
    figure = read_figure(graph, shapes)
    if kind == "mermaid":
        return write_mermaid(figure).encode()
    scene = scene_of(figure)
    if kind == "png":
        return write_png(scene)
    return (write_svg(scene) if kind == "svg" else write_page(figure, scene)).encode()
