"""The commands that make studies of a graph by themselves: what each part is worth, what lies between two graphs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import put, say
from ..errors import escaped
from .arguments import Device, GraphArgument, NoCode, NoFeatures, Sets
from .completion import complete_studies_alone
from .studies import Slurm, app, check_output, confirmed, counting, live, said_of, tell

if TYPE_CHECKING:
    from ..runs.study import Plan

__all__ = ["app"]

Seeds = Annotated[str | None, typer.Option(help="How many, from 0 on, or which: 3, or 0,5,7.")]
Metric = Annotated[str | None, typer.Option(help="The figure by which they are compared: knn, linear/top5.")]
Name = Annotated[str | None, typer.Option(help="The study's name; default: of the graph and what is done.")]
Jobs = Annotated[str, typer.Option(help="How many runs at once; auto: as cores, memory and GPUs allow.")]
Retry = Annotated[bool, typer.Option("--retry", help="Run again what has failed.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it begins.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The table also as a file: .md, .tex or .csv.")]


@app.command()
def ablate(
    graph: GraphArgument,
    only: Annotated[
        list[str] | None, typer.Option(help="A part: a node, stopgrad, augment.flip. May be repeated; default: all.")
    ] = None,
    seeds: Seeds = None,
    sets: Sets = None,
    metric: Metric = None,
    name: Name = None,
    jobs: Jobs = "auto",
    retry: Retry = False,
    slurm: Slurm = None,
    yes: Yes = False,
    output: Output = None,
    device: Device = "auto",
    no_code: NoCode = False,
) -> None:
    """What each part of a graph is worth: each taken out, or exchanged for another of its kind, once.

    Only what holds is trained. The table has the graph as it is, and the difference of each to it, seed by seed.
    """
    from ..runs.study import ablation_of

    said = said_of(seeds, sets, metric=metric, study=name)
    _run(lambda progress: ablation_of(graph, said, only or [], progress), jobs, retry, slurm, yes, output, device)


@app.command()
def bridge(
    first: GraphArgument,
    last: Annotated[str, typer.Argument(help="Where it leads to, as the first.")],
    seeds: Seeds = None,
    sets: Sets = None,
    metric: Metric = None,
    name: Name = None,
    jobs: Jobs = "auto",
    retry: Retry = False,
    slurm: Slurm = None,
    yes: Yes = False,
    output: Output = None,
    device: Device = "auto",
    no_code: NoCode = False,
) -> None:
    """From one graph to another by single edits, each a graph that holds: what each edit gains.

    --set changes both graphs.
    """
    from ..runs.study import bridge_between

    said = said_of(seeds, sets, metric=metric, study=name)
    _run(lambda progress: bridge_between(first, last, said, progress), jobs, retry, slurm, yes, output, device)


@app.command()
def report(
    study: Annotated[
        str,
        typer.Argument(help="A study's name, its file or its folder.", autocompletion=complete_studies_alone),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write, .html; default: report.html in its folder.")
    ] = None,
    storage: Annotated[str | None, typer.Option(help="Where its book is kept: any storage of Optuna's, a URL.")] = None,
    no_features: NoFeatures = False,
    device: Device = "auto",
    no_code: NoCode = False,
) -> None:
    """Write the page of a study: its table, figures, curves, graphs and features, one file that needs no network.

    Also of one that goes on, or was killed. Nothing is trained.
    """
    from .. import api
    from .counting import Counting

    with closing(Counting("pictures embedded")) as counting:
        path = api.study_report(
            study, output, storage=storage, features=not no_features, device=device, progress=counting
        )  # fmt: skip
    put(f"wrote {escaped(str(path))}")


def _run(
    make: Callable[[Callable[[int], None]], Plan], jobs: str, retry: bool, slurm: Path | None, yes: bool,
    output: Path | None, device: str,
) -> None:  # fmt: skip
    from ..runs.study import Options, run_study

    check_output(output)
    with counting("graphs checked") as progress:
        plan = make(progress)
    options = Options(None, device, jobs, retry, False, slurm, lambda: yes or confirmed())
    with live() as show:
        done = run_study(plan, options, say, show)
    tell(done, output)
