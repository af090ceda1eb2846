"""The picture of a graph, in any of the four forms."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..checks.shapes import Shapes
from ..errors import UsageError, suggest
from ..graph.graph import Graph
from .drawing.frame import scene_of
from .drawing.mermaid import write_mermaid
from .drawing.page import write_page
from .drawing.png import write_png
from .drawing.svg import write_svg
from .figure.difference import difference_figure
from .figure.figure import Figure
from .figure.read import read_figure

Kind = Literal["svg", "png", "html", "mermaid"]
Drawable = tuple[Graph, Shapes]
ENDINGS: dict[str, Kind] = {"svg": "svg", "png": "png", "html": "html", "mmd": "mermaid"}


def kind_of(name: str) -> Kind:
    """The form of a picture in a file of that name, or with that ending. Raises UsageError for another."""
    ending = Path(name).suffix.removeprefix(".") if {".", "/"} & set(name) else name
    if ending not in ENDINGS:
        hint = suggest(ending, ENDINGS, "endings are").text
        raise UsageError(f"a picture cannot be written as '{Path(name).name}': {hint}")
    return ENDINGS[ending]


def draw(graph: Graph, shapes: Shapes, kind: Kind) -> bytes:
    """The picture of a graph: SVG, PNG, a page that zooms, or mermaid's text. The same graph gives the same bytes."""
    return _drawn(read_figure(graph, shapes), kind)


def draw_difference(was: Drawable, now: Drawable, subtitle: str, kind: Kind) -> bytes:
    """The picture of two graphs laid over each other, with what differs marked. subtitle: what no picture shows."""
    return _drawn(difference_figure(read_figure(*was), read_figure(*now), subtitle), kind)


def _drawn(figure: Figure, kind: Kind) -> bytes:
    if kind == "mermaid":
        return write_mermaid(figure).encode()
    scene = scene_of(figure)
    if kind == "png":
        return write_png(scene)
    return (write_svg(scene) if kind == "svg" else write_page(figure, scene)).encode()
