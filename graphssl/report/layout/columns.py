"""Which column each box stands in: every wire goes from left to right, and short ones are better than long ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import networkx as nx

from ..figure.figure import Figure

Span = tuple[int, int]  # first and last column of a box


def columns(figure: Figure, spread: bool = True) -> dict[str, Span]:
    """First and last column of each box.

    Writes of a state go from left to right too, where no circle comes of it. A box that copies the weights of others
    stands below them; with `spread` it is as long as the row of those.
    """
    flow = _flow(figure)
    copied = _copied(figure) if spread else {}
    # Who reads a copy comes after the row that it stands below, or else the copy could not be that long.
    after = [(s, reader) for box, sources in copied.items() for reader in flow.successors(box) for s in sources]
    whole = _with(flow, after)
    place = _leftmost(whole)
    for box in reversed(list(nx.topological_sort(whole))):
        if flow.out_degree(box) > flow.in_degree(box):
            place[box] = min(place[s] for s in whole.successors(box)) - 1
    spans = {box: (at, at) for box, at in place.items()}
    for box, sources in copied.items():
        spans[box] = _below(whole, place, box, [place[s] for s in sources])
    return _dense(spans)


def _flow(figure: Figure) -> nx.DiGraph[str]:
    """Boxes and what goes between them; a write that would close a circle is left out."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(box.id for box in figure.boxes)
    ends = [(wire.source, end) for wire in figure.wires for end in wire.ends]
    graph.add_edges_from((source, end.box) for source, end in ends if not end.update)
    return _with(graph, [(source, end.box) for source, end in ends if end.update])


def _with(graph: nx.DiGraph[str], edges: Iterable[tuple[str, str]]) -> nx.DiGraph[str]:
    """The graph and those of the edges that close no circle."""
    whole = graph.copy()
    for source, target in edges:
        if source != target and not nx.has_path(whole, target, source):
            whole.add_edge(source, target)
    return whole


def _leftmost(graph: nx.DiGraph[str]) -> dict[str, int]:
    place: dict[str, int] = {}
    for box in nx.topological_sort(graph):
        place[box] = max((place[p] + 1 for p in graph.predecessors(box)), default=0)
    return place


def _copied(figure: Figure) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for copy in figure.copies:
        found.setdefault(copy.target, []).append(copy.source)
    return found


def _below(graph: nx.DiGraph[str], place: Mapping[str, int], box: str, sources: list[int]) -> Span:
    """The columns of the sources, as far as the wires into and out of the box leave room."""
    least = max((place[p] + 1 for p in graph.predecessors(box)), default=0)
    most = min((place[s] - 1 for s in graph.successors(box)), default=max(place.values()))
    first = min(max(least, min(sources)), most)
    return first, min(max(first, max(sources)), most)


def _dense(spans: Mapping[str, Span]) -> dict[str, Span]:
    """Without empty columns, from 0 on."""
    used = sorted({at for first, last in spans.values() for at in range(first, last + 1)})
    new = {at: i for i, at in enumerate(used)}
    return {box: (new[first], new[last]) for box, (first, last) in spans.items()}
