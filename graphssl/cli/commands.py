"""The commands, a function each: options in, a call of `graphssl.api`, its result in words."""

from __future__ import annotations

import gc
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import put, say, speaks, started
from ..errors import Problems, UsageError, escaped
from .arguments import Changeable, Commands, Device, GraphArgument, NoCode, NoFeatures, Quiet, RunArguments, Sets
from .completion import complete_graphs, complete_runs

if TYPE_CHECKING:
    from ..checks.checked import Checked


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        put(f"graphssl {version('graphssl')}")
        raise typer.Exit


app = typer.Typer(
    name="graphssl",
    cls=Commands,
    help="Self-supervised visual representation learning: a method is a graph in a YAML file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def graphssl(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say which version this is.")
    ] = False,
) -> None:
    """Self-supervised visual representation learning: a method is a graph in a YAML file."""


@app.command(cls=Changeable)
def run(
    graph: Annotated[
        str | None,
        typer.Argument(help="A graph file, or a packaged graph by name.", autocompletion=complete_graphs),
    ] = None,
    sets: Sets = None,
    resume: Annotated[
        str | None, typer.Option(help="Go on with this run from its last checkpoint.", autocompletion=complete_runs)
    ] = None,
    device: Device = "auto",
    name: Annotated[str | None, typer.Option(help="The run's name; default: the graph's with a number.")] = None,
    processes: Annotated[
        str | None, typer.Option(help="So many processes train together, as under torchrun; auto: one for each GPU.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="As --set train.seed=...")] = None,
    register: Annotated[str | None, typer.Option(help="Register its encoder in MLflow under this name.")] = None,
    quiet: Quiet = False,
    no_code: NoCode = False,
) -> None:
    """Validate a graph, train it, evaluate it and track it in MLflow."""
    from ..train.signals import Interrupt

    with Interrupt():
        from .. import api
        from .together import run_together

        changes = [*(sets or []), *([] if seed is None else [f"train.seed={seed}"])]
        if processes is not None and not started():
            options = {"--resume": resume, "--device": device, "--name": name, "--register": register}
            raise typer.Exit(run_together(graph, changes, processes, options))
        if graph or resume:  # else a slip, which is told at once
            _collect_garbage()
        told = _warnings_of if quiet else say
        result = api.run(
            graph, changes, resume=resume, device=device, name=name, register=register, report=told, warn=_warn
        )  # fmt: skip
        from .summary import run_text  # loaded by now: a slip is told sooner

        if speaks():
            say(run_text(result))
        raise typer.Exit(result.code)


@app.command(cls=Changeable)
def check(
    graphs: Annotated[
        list[str], typer.Argument(help="Graph files, or packaged graphs by name.", autocompletion=complete_graphs)
    ],
    sets: Sets = None,
    processes: Annotated[int, typer.Option(min=1, help="Also what so many processes would send each other.")] = 1,
    no_code: NoCode = False,
) -> None:
    """Validate graphs without reading any data: values, axes, parameters, memory, FLOPs."""
    from .. import api
    from .describe import describe

    found = Problems()
    for graph in graphs:
        with found.gathering():
            checked = api.check(graph, sets or [])
            _warn_of(checked)
            put(describe(checked, processes))
    found.stop()


@app.command(cls=Changeable)
def show(
    graph: GraphArgument,
    sets: Sets = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write: .svg, .png, .html or .mmd; default NAME.svg."),
    ] = None,
    code: Annotated[bool, typer.Option("--code", help="Print the compiled step as Python.")] = False,
    resolved: Annotated[bool, typer.Option("--resolved", help="Print the graph, merged and with defaults.")] = False,
    processes: Annotated[int, typer.Option(min=1, help="With --code, the step of so many processes.")] = 1,
    no_code: NoCode = False,
) -> None:
    """Draw a graph, or print its code or its resolved form."""
    from .. import api
    from .describe import resolved_text

    checked = api.check(graph, sets or [], without_data=True)
    _warn_of(checked)
    if code:
        put(api.compile(checked, weights=False, processes=processes).code())
    elif resolved:
        put(resolved_text(checked), end="")
    else:
        path = output or Path(f"{checked.graph.name.replace('/', '-')}.svg")
        write(path, api.draw(checked, f"./{path.name}"))  # a file's name, also without a dot


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="my_method for a graph, my_critic.py for a component.")],
) -> None:
    """Write a starter graph, or a starter component."""
    from .starter import starter

    path, text = starter(name)
    if path.exists():
        raise UsageError(f"{path} is there already")
    write(path, text.encode())


@app.command(cls=Changeable)
def evaluate(
    runs: RunArguments,
    protocols: Annotated[
        list[str] | None,
        typer.Option(
            "--protocol", help="An evaluation, and no other: linear, knn ..., or a file of them. May be repeated."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Other data: a YAML file with `data:`, or a folder of pictures."),
    ] = None,
    k: Annotated[int | None, typer.Option(help="Neighbours, 1 or more; default: the graph's.")] = None,
    temperature: Annotated[float | None, typer.Option(help="More than 0; default: the graph's.")] = None,
    linear: Annotated[
        bool,
        typer.Option("--linear", help="Also train a linear classifier, as where the graph has one."),
    ] = False,
    device: Device = "auto",
    sets: Sets = None,
    no_code: NoCode = False,
) -> None:
    """Evaluate a run's encoder again, by its graph's evaluations or by one that is named; MLflow gets the figures.

    --set k=5 changes an option of the one --protocol; --set data.root=/data the graph. Of several runs those that
    differ in their seed alone are one figure, with its interval.
    """
    from .. import api
    from .summary import evaluation_text, groups_text

    _collect_garbage()
    given = {name: value for name, value in (("k", k), ("temperature", temperature)) if value is not None}
    asked = {} if protocols and not given else {"knn": given}
    options: dict[str, dict[str, float]] = {**asked, **({"linear": {}} if linear else {})}
    named = [*protocols, *(name for name in options if name not in protocols)] if protocols else ()
    groups = api.evaluate_together(
        runs, options, protocol=named, data=data, device=device, sets=sets or [],
        report=lambda found: put(evaluation_text(found)),
    )  # fmt: skip
    if len(runs) > 1:
        put(groups_text(groups))


@app.command(cls=Changeable)
def reproduce(
    name: Annotated[str | None, typer.Argument(help="A reproduction, or its file; default: what there is.")] = None,
    seeds: Annotated[str | None, typer.Option(help="0,1,2; default: the file's.")] = None,
    device: Device = "auto",
    sets: Sets = None,
    only: Annotated[str | None, typer.Option(help="ours: without the other code that some are run beside.")] = None,
    page: Annotated[bool, typer.Option("--page", help="Write docs/reproductions.md, in a checkout.")] = False,
    no_code: NoCode = False,
) -> None:
    """Reproduce a published figure: pretrain each seed, evaluate, and hold the mean beside what was published."""
    from .reproductions import reproduce_and_tell

    _collect_garbage()
    raise typer.Exit(reproduce_and_tell(name, seeds, device, sets or [], only, page, _warn))


@app.command()
def compare(
    runs: RunArguments,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A page of it instead: one .html file that needs no network.")
    ] = None,
    no_features: NoFeatures = False,
    device: Device = "auto",
    no_code: NoCode = False,
) -> None:
    """Say in what runs differ, and how they did."""
    from .. import api
    from .comparison import comparison_text
    from .counting import Counting

    if output is None:
        put(comparison_text(api.compare(runs)))
        return
    _collect_garbage()
    with closing(Counting("pictures embedded")) as counting:
        api.compare(runs, output, features=not no_features, device=device, progress=counting)
    put(f"wrote {escaped(str(output))}")


def write(path: Path, content: bytes) -> None:
    """Writes a file whole, and says so."""
    from ..files import write_whole

    write_whole(path, content)
    put(f"wrote {escaped(str(path))}")


def _collect_garbage() -> None:
    """From here on, and without looking at what torch has made as it was imported, which stays."""
    import torch  # noqa: F401

    gc.freeze()
    gc.enable()


def _warn_of(checked: Checked) -> None:
    for warning in checked.warnings:
        _warn(warning.render())


def _warnings_of(text: str) -> None:
    """Of what a run says, what to warn of."""
    if text.startswith("warning: "):
        _warn(text)


def _warn(text: str) -> None:
    if speaks():
        say(text, err=True)
