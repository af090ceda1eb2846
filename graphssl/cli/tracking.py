"""The commands that deliver to MLflow what runs could not, and register models there."""

from __future__ import annotations

from typing import Annotated

import typer

from ..console import put, say
from ..errors import escaped
from .arguments import NoCode, RunArgument
from .pictures import app

__all__ = ["app"]


@app.command()
def track(
    runs: Annotated[
        list[str] | None, typer.Argument(help="Runs; default: all under runs/ that have something left.")
    ] = None,
) -> None:
    """Deliver to MLflow what ended runs could not, as its server was down."""
    from .. import api

    api.deliver(runs or [], say)


@app.command()
def register(
    run: RunArgument,
    model: Annotated[str, typer.Argument(help="The name of the model, of which this is a new version.")],
    node: Annotated[str | None, typer.Option(help="Which node; default: the evaluated one.")] = None,
    no_code: NoCode = False,
) -> None:
    """Register a run's encoder in MLflow, as `run --register` does when a run ends."""
    from .. import api

    found = api.register(run, model, node, report=say)
    put(f"registered {escaped(found.node)} of {escaped(found.run)} as {escaped(found.name)}")
