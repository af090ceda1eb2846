"""The commands that say what there is: components, rules, the schema of graphs, what MLflow has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import put, say
from ..errors import GraphError, Problem, UsageError
from .commands import app, write
from .completion import complete_components

__all__ = ["app"]


@app.command()
def components(
    name: Annotated[
        str | None,
        typer.Argument(help="A component, such as critic.cosine, or a kind.", autocompletion=complete_components),
    ] = None,
    grid: Annotated[
        bool,
        typer.Option(
            "--grid", help="Which critics, negatives and objectives, and which masks and targets go together."
        ),
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="All of them as a page, docs/components.md.")] = False,
) -> None:
    """List the components, or say what one takes, gives and can be configured with."""
    if (name is not None) + grid + markdown > 1:
        raise UsageError("a name, --grid and --markdown each ask for something else: one at a time")
    if grid:
        from .grid import grid_text
        from .masks_grid import masks_text

        put(f"{grid_text()}\n\n{masks_text()}")
        return
    if markdown:
        from .components import components_page

        put(components_page(), end="")
        return
    from .components import component_text, components_text

    try:
        put(component_text(name) if name else components_text())
    except LookupError as error:
        raise GraphError([Problem(f"no component is called '{name}'", hint=str(error))]) from None


@app.command()
def explain(
    code: Annotated[str | None, typer.Argument(help="A rule's code, such as G201; default: all titles.")] = None,
) -> None:
    """Explain a rule of the checks, with its source in the literature."""
    from .rules import rule_text, rules_text

    if code is None:
        put(rules_text())
        return
    try:
        put(rule_text(code))
    except LookupError as error:
        raise GraphError([Problem(f"no rule has the code '{code}'", hint=str(error))]) from None


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: print it.")] = None,
) -> None:
    """The JSON schema of graph files, for completion in editors."""
    import json

    from .schema import graph_schema

    text = json.dumps(graph_schema(), indent=2)
    if output is None:
        put(text)
    else:
        write(output, text.encode())


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 5000,
) -> None:
    """Open MLflow's own user interface on the store in use."""
    from .. import api

    api.ui(port, say)
