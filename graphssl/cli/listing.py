"""The commands that keep house among runs: on a line each, removed, called otherwise."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import put, say
from ..errors import escaped
from .arguments import RunArgument, RunArguments
from .differences import app
from .studies import confirmed
from .table import table

if TYPE_CHECKING:
    from ..runs.folder import RunFolder
    from ..runs.listing import Line

__all__ = ["app", "lines_text"]

FIGURES = 3  # columns of figures where none is asked for


@app.command()
def runs(
    sort: Annotated[str | None, typer.Option(help="By a figure, the best last: knn; or by name, graph ...")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="graph=byol, or a condition on any key of the graph. May be repeated.")
    ] = None,
) -> None:
    """The runs under runs/, a line each."""
    from ..runs.listing import runs_here

    put(lines_text(runs_here(where or [], sort), sort))


@app.command()
def rm(
    runs: RunArguments,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove runs from the disk; MLflow keeps what it has of them."""
    from ..runs.removal import remove_runs, size_of

    def confirm(folders: Sequence[RunFolder]) -> bool:
        for folder in folders:
            say(f"{folder.path}: {size_of(folder) / 2**20:,.1f} MiB")
        return yes or confirmed(f"remove {len(folders)} run{'s' * (len(folders) > 1)}?", default=False)

    for folder in remove_runs(runs, confirm):
        put(f"removed {escaped(str(folder.path))}")


@app.command()
def mv(
    run: RunArgument,
    name: Annotated[str, typer.Argument(help="What it is called from then on.")],
) -> None:
    """Call a run otherwise, on disk and in MLflow."""
    from ..runs.removal import move_run

    put(f"moved to {escaped(str(move_run(run, name, lambda text: say(text, err=True)).path))}")


def lines_text(lines: Sequence[Line], sort: str | None = None) -> str:
    """A line for each run, the figures that most have."""
    if not lines:
        return "no runs"
    from ..evaluation.registry import metric_title, score_text

    count: dict[str, int] = {}
    for line in lines:
        for name in line.scores:
            count[name] = count.get(name, 0) + 1
    shown = sorted(count, key=lambda name: (name != sort, -count[name]))[:FIGURES]
    rows = [["run", "graph", "state", "step", "loss", *map(metric_title, shown), "last written"]]
    for line in lines:
        figures = [score_text(name, line.scores[name]) if name in line.scores else "-" for name in shown]
        loss = "-" if line.loss is None else f"{line.loss:.4g}"
        step = "-" if line.step is None else str(line.step)
        when = datetime.datetime.fromtimestamp(line.ended).strftime("%Y-%m-%d %H:%M")
        rows.append([line.name, line.graph, line.state, step, loss, *figures, when])
    return table(rows)
