"""The command that says in what two graphs, or runs, differ; and draws it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import put
from ..errors import escaped
from .arguments import NoCode, Sets
from .edits import app

if TYPE_CHECKING:
    from ..graph.difference import Difference
    from ..graph.parts import Part

__all__ = ["app", "difference_text"]

SIGNS = {"added": "+", "removed": "-", "changed": "~"}
LONGEST = 100  # characters of a value


@app.command()
def diff(
    first: Annotated[str, typer.Argument(help="A graph file, a packaged graph, or a run.")],
    last: Annotated[str, typer.Argument(help="The other, as the first.")],
    sets: Sets = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Draws both laid over each other: .svg, .png, .html or .mmd."),
    ] = None,
    no_code: NoCode = False,
) -> None:
    """In what two graphs or runs differ: by node, wire and value, as text and as one picture.

    --set changes both.
    """
    from .. import api
    from ..files import write_whole

    found = api.diff(first, last, sets or [])
    put(difference_text(found))
    if output is not None:
        write_whole(output, api.draw(found, f"./{output.name}"))
        put(f"wrote {escaped(str(output))}")


def difference_text(found: Difference) -> str:
    """A line for each part that differs: what is added, removed, changed."""
    lines = [f"{found.first.name} -> {found.last.name}"]
    for section in found.sections:
        lines.append(section)
        lines += [f"  {line}" for part in found.of(section) for line in _lines(part)]
    return "\n".join(map(escaped, lines)) if found.parts else f"{lines[0]}: they are the same"


def _lines(part: Part) -> Iterator[str]:
    from ..graph.difference import how, values_of

    kind, name = how(part), ".".join(part.path[1:])
    values = values_of(part)
    sign = SIGNS[kind]
    if kind == "changed" and values:
        use = part.now.get("use") if part.path[0] == "nodes" else None
        told = ", ".join(f"{v.key} {_shown(v.was)} -> {_shown(v.now)}" for v in values)
        yield " ".join(filter(None, (sign, name, f"({use})" if use else "", told)))
    elif kind == "changed":
        yield " ".join(filter(None, (sign, name, f"{_whole(part.was)} -> {_whole(part.now)}")))
    else:
        yield " ".join(filter(None, (sign, name, _whole(part.was if kind == "removed" else part.now))))


def _whole(value: Any) -> str:
    """A component by its name, anything else as it is written."""
    use = value.get("use") if isinstance(value, dict) else None
    return use if isinstance(use, str) else _shown(value)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
