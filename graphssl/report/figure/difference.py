"""What a picture of two graphs shows: both laid over each other, with what one has alone and what differs marked.

Boxes of the same node are one, in the order of its calls. Where that would make values go round in a circle, as the two
graphs have an order each, the box stands there twice: as it was, and as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import networkx as nx

from ..style import CHANGES
from .figure import Box, Change, Copy, End, Figure, Wire
from .words import short

__all__ = ["difference_figure"]

BEFORE = " (before)"
ENTRIES = 4  # options that differ, in a box
LONGEST = 22  # characters of one
Ends = dict[tuple[str, tuple[str, ...], bool, str], End]


def difference_figure(was: Figure, now: Figure, subtitle: str) -> Figure:
    """The picture of two graphs. subtitle: what of them no picture shows."""
    was, now = _keyed(was), _keyed(now)
    while (twice := _on_a_circle(was, now)) is not None:
        was = _renamed(was, {twice: f"{twice}{BEFORE}"})
    boxes = list(_boxes(was, now))
    wires, copies = tuple(_wires(was, now)), tuple(_copies(was, now))
    return Figure(f"{was.title} \u2192 {now.title}", subtitle, tuple(boxes), wires, copies)


# -- the same things under the same names --------------------------------------------------------------------


def _keyed(figure: Figure) -> Figure:
    """Boxes by their node and its how manieth call, and not by the numbers that calls have in a graph."""
    count: dict[str, int] = {}
    names: dict[str, str] = {}
    for box in figure.boxes:
        if box.node is not None:
            number = count[box.node] = count.get(box.node, 0) + 1
            names[box.id] = f"{box.node}.{number}"
    return _renamed(figure, names)


def _renamed(figure: Figure, names: Mapping[str, str]) -> Figure:
    def called(name: str) -> str:
        return names.get(name, name)

    return replace(
        figure,
        boxes=tuple(replace(box, id=called(box.id)) for box in figure.boxes),
        wires=tuple(
            replace(w, source=called(w.source), ends=tuple(replace(end, box=called(end.box)) for end in w.ends))
            for w in figure.wires
        ),
        copies=tuple(replace(copy, source=called(copy.source), target=called(copy.target)) for copy in figure.copies),
    )


def _on_a_circle(was: Figure, now: Figure) -> str | None:
    """A box of both that lies on a circle of the two laid over each other, None where there is no circle."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for figure in (was, now):
        graph.add_edges_from((w.source, end.box) for w in figure.wires for end in w.ends if not end.update)
    both = was.by_id.keys() & now.by_id.keys()
    rings = (ring for ring in nx.strongly_connected_components(graph) if len(ring) > 1)
    return next((box for ring in rings for box in sorted(ring & both)), None)


# -- boxes ---------------------------------------------------------------------------------------------------


def _boxes(was: Figure, now: Figure) -> Iterator[Box]:
    """Those of the second graph in its order, each after what was there before it."""
    waiting = [box for box in was.boxes if box.id not in now.by_id]
    order = {box.id: i for i, box in enumerate(was.boxes)}
    for box in now.boxes:
        before = was.by_id.get(box.id)
        if before is None:
            yield _marked(box, "added")
            continue
        while waiting and order[waiting[0].id] < order[box.id]:
            yield _marked(waiting.pop(0), "removed")
        yield _compared(before, box)
    yield from (_marked(box, "removed") for box in waiting)


def _marked(box: Box, change: Change, lines: Sequence[str] | None = None) -> Box:
    sign = CHANGES[change].sign
    name = f"{sign} {box.name}" if box.name else ""
    return replace(box, name=name, change=change, lines=box.lines if lines is None else tuple(lines))


def _compared(was: Box, now: Box) -> Box:
    if (was.details, was.name, _plain(was)) == (now.details, now.name, _plain(now)):
        return now
    return _marked(now, "changed", list(_changes(was, now)) or now.lines)


def _plain(box: Box) -> tuple[str, ...]:
    """The lines of a box that is no node's: of a node the config says it, and sizes follow from what comes before."""
    return () if box.node is not None else box.lines


def _changes(was: Box, now: Box) -> Iterator[str]:
    """The options that differ, as short lines."""
    if was.details.get("use") != now.details.get("use"):
        yield f"{was.details.get('use')}"
        yield f"\u2192 {now.details.get('use')}"
        return
    keys = [key for key in dict.fromkeys([*was.details, *now.details]) if was.details.get(key) != now.details.get(key)]
    for key in keys[:ENTRIES]:
        yield f"{key.replace('_', ' ')} {_value(was.details.get(key))} \u2192 {_value(now.details.get(key))}"
    if len(keys) > ENTRIES:
        yield f"and {len(keys) - ENTRIES} more"


def _value(value: Any) -> str:
    text = short(value) or "..."
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


# -- wires ---------------------------------------------------------------------------------------------------


def _wires(was: Figure, now: Figure) -> Iterator[Wire]:
    """A wire each for the ends that both have, and for those of one alone."""
    old, new = _by_value(was), _by_value(now)
    for key in dict.fromkeys([*old, *new]):
        before, after = _ends(old.get(key, ())), _ends(new.get(key, ()))
        like = (new.get(key) or old[key])[0]
        if key in old and key in new and not before and not after:
            yield like  # which nothing reads
            continue
        parts: dict[Change, Ends] = {
            "": {k: end for k, end in after.items() if k in before},
            "added": {k: end for k, end in after.items() if k not in before},
            "removed": {k: end for k, end in before.items() if k not in after},
        }
        alone: Change = "removed" if key not in new else "added"
        if not before and not after:
            yield replace(like, change=alone)
        yield from (replace(like, ends=tuple(ends.values()), change=change) for change, ends in parts.items() if ends)


def _by_value(figure: Figure) -> dict[tuple[str, str, bool], list[Wire]]:
    found: dict[tuple[str, str, bool], list[Wire]] = {}
    for wire in figure.wires:
        found.setdefault((wire.source, wire.label.title, wire.stop), []).append(wire)
    return found


def _ends(wires: Sequence[Wire]) -> Ends:
    return {(end.box, end.ports, end.update, end.text): end for wire in wires for end in wire.ends}


def _copies(was: Figure, now: Figure) -> Iterator[Copy]:
    for copy in now.copies:
        yield copy if copy in was.copies else replace(copy, change="added")
    yield from (replace(copy, change="removed") for copy in was.copies if copy not in now.copies)
