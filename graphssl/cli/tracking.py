"""The command that delivers to MLflow what runs could not."""

from __future__ import annotations

from typing import Annotated

import typer

from ..console import say
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
