"""The graphs of runs, drawn: the first one, and what each other has otherwise, marked in a picture of both."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...checks.checked import Checked, validated
from ...errors import GraphError, UsageError
from ...graph.difference import Difference, difference_of, how, unseen
from ...graph.graph import Graph
from ...report import draw, draw_difference
from ...report.page import Html, Section, element
from .entries import Entry
from .words import several

__all__ = ["graph_section"]

DRAWN = ("nodes", "flow", "loss", "update")  # sections that a picture shows
MOST = 6  # pictures of what differs
WIDTH = re.compile(r'<svg [^>]*?width="([\d.]+)pt"')


def graph_section(entries: Sequence[Entry]) -> Section:
    """The section. Graphs that differ from the first in nothing that is drawn have no picture of their own."""
    readable = [(entry, entry.runs[0].graph) for entry in entries]
    known = [(entry, graph) for entry, graph in readable if graph is not None]
    if not known:
        return Section("graphs", "Graphs", ["No graph of these runs can be read here."])
    first, base = known[0]
    others: dict[str, list[Entry]] = {}
    differences: dict[str, Difference] = {}
    for entry, graph in known[1:]:
        found = difference_of(base, graph)
        key = repr([(part.path, repr(part.was), repr(part.now)) for part in found.parts if part.path[0] in DRAWN])
        others.setdefault(key, []).append(entry)
        differences.setdefault(key, found)
    same = [entry.name for entry in others.pop("[]", [])]
    content: list[str] = []
    if not others:
        said = f"Drawn alike: {several([first.name, *same])}." if same else ""
        content = [*([said] if said else []), *_alone(base, first.name)]
        return Section("graphs", "Graphs", content)
    content.append(f"Each picture lays a graph over that of {first.name}, with what differs marked.")
    if same:
        content.append(f"Drawn as {first.name}: {several(same)}.")
    for key, of in list(others.items())[:MOST]:
        content += _beside(differences[key], first.name, several([entry.name for entry in of]))
    if len(others) > MOST:
        content.append(f"{len(others) - MOST} more graphs differ; `graphssl diff RUN RUN -o diff.svg` draws them.")
    alone = _alone(base, first.name)
    content.append(element("details", element("summary", f"the graph of {first.name} by itself"), alone))
    return Section("graphs", "Graphs", content)


def _alone(graph: Graph, name: str) -> list[Html]:
    checked = _checked(graph)
    if checked is None:
        return [element("p", f"The graph of {name} cannot be drawn here.")]
    svg = draw(checked.graph, checked.shapes, "svg").decode()
    return [_paper(svg, f"the graph of {name}", f"the graph of {name}")]


def _beside(found: Difference, first: str, other: str) -> list[Html]:
    was, now = _checked(found.first), _checked(found.last)
    if was is None or now is None:
        return [element("p", f"{other} cannot be drawn here beside {first}.")]
    svg = draw_difference((was.graph, was.shapes), (now.graph, now.shapes), unseen(found), "svg").decode()
    return [_paper(svg, f"{first} → {other}", f"the graph of {other} laid over that of {first}: {_told(found)}")]


def _told(found: Difference) -> str:
    """What differs, in words."""
    kinds: dict[str, list[str]] = {}
    for part in found.parts:
        kinds.setdefault(how(part), []).append(part.key)
    return "; ".join(f"{kind}: {several(keys, 12)}" for kind, keys in kinds.items())


def _checked(graph: Graph) -> Checked | None:
    try:
        return validated(graph)
    except (GraphError, UsageError):
        return None


def _paper(svg: str, title: str, label: str) -> Html:
    """On white paper, whose colours it has, as wide as the page; not so small that nothing can be read."""
    match = WIDTH.search(svg)
    wide = float(match[1]) * 4 / 3 if match else 900
    style = f"max-width:{wide:.0f}px;min-width:{min(wide, 760):.0f}px"
    inner = element("div", Html(svg), class_="drawn", style=style)
    return element(
        "figure", element("figcaption", title),
        element("div", inner, class_="paper scroll", tabindex=0, role="region", aria_label=label),
    )  # fmt: skip
