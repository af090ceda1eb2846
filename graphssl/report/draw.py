"""The picture of a graph, in any of the four forms."""

from __future__ import annotations

from typing import Literal

from ..graph import Graph
from ..shapes import Shapes
from .frame import scene_of
from .mermaid import write_mermaid
from .page import write_page
from .png import write_png
from .read import read_figure
from .svg import write_svg

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
