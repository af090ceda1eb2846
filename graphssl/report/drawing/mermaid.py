"""A figure as the text of a mermaid flowchart, for pages that draw such text themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..figure.figure import Box, End, Figure, Wire
from ..style import ROLES, UPDATE
from ..text import printable

NOBODY = End("")  # of a value that nothing uses
ESCAPES = {"&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;", "`": "#96;"}


def write_mermaid(figure: Figure) -> str:
    """A flowchart from left to right: a node for each box, an edge for each end of a wire, classes for the sections."""
    names = {box.id: f"n{i}" for i, box in enumerate(figure.boxes)}
    lines = ["---", f"title: {json.dumps(figure.title, ensure_ascii=False)}", "---", "flowchart LR"]
    lines += [f"  {names[box.id]}{_shape(box)}:::{box.role}" for box in figure.boxes]
    kinds = []
    for wire in figure.wires:
        for end in wire.ends:
            lines.append(f"  {names[wire.source]} {_arrow(wire, end)} {names[end.box]}")
            kinds.append(end.update)
        if not wire.ends:
            lines.append(f'  {names[wire.source]} {_arrow(wire, NOBODY)} u{len(kinds)}[" "]:::unread')
            kinds.append(False)
    for copy in figure.copies:
        lines.append(f"  {names[copy.source]} -. {_text(copy.text)} .-> {names[copy.target]}")
        kinds.append(copy.written)
    return "\n".join([*lines, *_looks(figure, kinds)]) + "\n"


def _shape(box: Box) -> str:
    text = "<br/>".join(_escaped(line) for line in (f"{box.name} {box.times}".strip(), *box.lines) if line)
    if box.role == "join":
        return f'{{{{"{_escaped(box.id)}"}}}}'
    return f'(["{text}"])' if box.role in ("data", "loss") else f'["{text}"]'


def _arrow(wire: Wire, end: End) -> str:
    """Dashed for updates, thick for several views."""
    stop = "stop-grad" if wire.stop and not end.update else ""
    words = [end.text, wire.label.title, wire.label.sizes, stop]
    text = _text(*(word for word in words if word))
    if end.update:
        return f"-. {text} .->"
    if end is NOBODY:
        return f"-- {text} --x"
    line, arrow = ("==", "==>") if wire.label.count > 1 else ("--", "-->")
    return f"{line} {text} {arrow}" if text else arrow


def _text(*words: str) -> str:
    return f'"{"<br/>".join(_escaped(word) for word in words)}"' if words else ""


def _looks(figure: Figure, updates: list[bool]) -> Iterator[str]:
    for name in sorted({box.role for box in figure.boxes}):
        role = ROLES[name]
        ink = "#ffffff" if name in ("loss", "join") else "#1a1a1a"
        yield f"  classDef {name} fill:{role.fill},stroke:{role.line},color:{ink}"
    if any(not wire.ends for wire in figure.wires):
        yield "  classDef unread fill:none,stroke:none"
    dashed = [str(i) for i, update in enumerate(updates) if update]
    if dashed:
        yield f"  linkStyle {','.join(dashed)} stroke:{UPDATE}"
    faded = [f"n{i}" for i, box in enumerate(figure.boxes) if box.faded]
    if faded:
        yield "  classDef faded opacity:0.45"
        yield f"  class {','.join(faded)} faded"


def _escaped(text: str) -> str:
    return "".join(ESCAPES.get(c, c) for c in printable(text).replace("\n", " "))
