"""The commands and their options, a function each."""

from __future__ import annotations

import gc
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from ..console import say
from ..errors import GraphError, Problem, UsageError, suggest

if TYPE_CHECKING:
    from ..checks.checked import Checked

INTERRUPTED = 130  # the exit code of a run that was asked to stop

app = typer.Typer(
    name="graphssl",
    help="Self-supervised visual representation learning: a method is a graph in a YAML file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

GraphArgument = Annotated[str, typer.Argument(help="A graph file, or a packaged graph by name, such as byol.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a value: --set nodes.queue.size=65536. May be repeated."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")]
RunArgument = Annotated[str, typer.Argument(help="A run: its name under runs/, or its folder.")]


class Changeable(TyperCommand):
    """A command that takes --set: a change that stands without it is told as that."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        given = [ctx.params.get("graph"), *(ctx.params.get("graphs") or ()), *rest]
        changes = [a for a in given if a and re.match(r"[\w.]+=", a) and not os.path.exists(a)]
        if changes:
            told = " ".join(f"--set {shlex.quote(change)}" for change in changes)
            raise UsageError(f"a change of the graph needs --set before it: {told}")
        if rest:
            ctx.fail(f"Got unexpected extra argument{'s' * (len(rest) > 1)} ({' '.join(rest)})")
        return rest


@app.command(cls=Changeable)
def run(
    graph: Annotated[str | None, typer.Argument(help="A graph file, or a packaged graph by name.")] = None,
    sets: Sets = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this run from its last checkpoint.")] = None,
    device: Device = "auto",
    name: Annotated[str | None, typer.Option(help="The run's name; default: the graph's with a number.")] = None,
) -> None:
    """Validate a graph, train it, evaluate it and track it in MLflow."""
    if (graph is None) == (resume is None):
        raise GraphError([Problem("name a graph file to run, or --resume a run: one of the two")])
    if resume is not None and name is not None:
        raise UsageError(f"a run that is resumed keeps its name, '{resume}': leave --name out")
    from ..checks import checked as made
    from ..runs.results import summary
    from ..runs.session import resume_run, start_run
    from ..train.device import choose_device

    _collect_garbage()
    if graph is not None:
        checked = made.check(graph, sets or [])
        _warn(checked.warnings)
        result = start_run(checked, choose_device(device), name, say)
    else:
        result = resume_run(resume or "", sets or [], choose_device(device), say)
    say(summary(result))
    if result.interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command(cls=Changeable)
def check(
    graphs: Annotated[list[str], typer.Argument(help="Graph files, or packaged graphs by name.")],
    sets: Sets = None,
) -> None:
    """Validate graphs without reading any data: values, axes, parameters, memory, FLOPs."""
    from ..checks.checked import check as check_graph
    from .describe import describe

    problems: list[Problem] = []
    for graph in graphs:
        try:
            checked = check_graph(graph, sets or [])
        except GraphError as error:
            problems += error.problems
            continue
        _warn(checked.warnings)
        typer.echo(describe(checked))
    if problems:
        raise GraphError(problems)


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
) -> None:
    """Draw a graph, or print its code or its resolved form."""
    from ..checks.checked import validated
    from ..graph.read import load
    from ..runs.trained import compile

    checked = validated(load(graph, sets or []))
    _warn(checked.warnings)
    if code:
        typer.echo(compile(checked).code())
    elif resolved:
        from ..language.dump import dump

        typer.echo(dump(checked.graph.resolved()), nl=False)
    else:
        _draw(checked, output or Path(f"{checked.graph.name.replace('/', '-')}.svg"))


def _draw(checked: Checked, output: Path) -> None:
    from ..report import Kind, draw

    kinds: dict[str, Kind] = {".svg": "svg", ".png": "png", ".html": "html", ".mmd": "mermaid"}
    kind = kinds.get(output.suffix)
    if kind is None:
        hint = suggest(output.suffix, kinds, "endings are").text
        raise GraphError([Problem(f"a picture cannot be written as '{output.name}'", hint=hint)])
    _write(output, draw(checked.graph, checked.shapes, kind))


def _write(path: Path, content: bytes) -> None:
    from ..files import writing

    with writing(path):
        path.write_bytes(content)
    typer.echo(f"wrote {path}")


@app.command()
def components(
    name: Annotated[str | None, typer.Argument(help="A component, such as critic.cosine, or a kind.")] = None,
    grid: Annotated[bool, typer.Option("--grid", help="Which critics, negatives and objectives go together.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="All of them as a page, docs/components.md.")] = False,
) -> None:
    """List the components, or say what one takes, gives and can be configured with."""
    if (name is not None) + grid + markdown > 1:
        raise UsageError("a name, --grid and --markdown each ask for something else: one at a time")
    if grid:
        from .grid import grid_text

        typer.echo(grid_text())
        return
    if markdown:
        from .components import components_page

        typer.echo(components_page(), nl=False)
        return
    from .components import component_text, components_text

    try:
        typer.echo(component_text(name) if name else components_text())
    except LookupError as error:
        raise GraphError([Problem(f"no component is called '{name}'", hint=str(error))]) from None


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="my_method for a graph, my_critic.py for a component.")],
) -> None:
    """Write a starter graph, or a starter component."""
    from .starter import starter

    path, text = starter(name)
    if path.exists():
        raise UsageError(f"{path} is there already")
    _write(path, text.encode())


@app.command()
def evaluate(
    run: RunArgument,
    k: Annotated[int | None, typer.Option(min=1, help="Neighbours; default: the graph's.")] = None,
    temperature: Annotated[float | None, typer.Option(min=1e-6, help="Default: the graph's.")] = None,
    linear: Annotated[
        bool,
        typer.Option("--linear", help="Also fit a linear classifier, as where the graph has one."),
    ] = False,
    device: Device = "auto",
) -> None:
    """Evaluate a run's encoder again on the held-out split: weighted kNN, and where asked a linear classifier."""
    from ..runs.evaluate import evaluate_run

    _collect_garbage()
    knn = {name: value for name, value in (("k", k), ("temperature", temperature)) if value is not None}
    options: dict[str, dict[str, Any]] = {"knn": knn, **({"linear": {}} if linear else {})}
    typer.echo(evaluate_run(run, options, device).text())


@app.command()
def export(
    run: RunArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the weights.")] = Path("encoder.pt"),
    node: Annotated[str | None, typer.Option(help="Which node; default: the evaluated one.")] = None,
) -> None:
    """Write a node's weights, under torchvision's names, for plain torch to load."""
    from ..runs.export import export_weights

    typer.echo(export_weights(run, output, node))


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(help="Two or more runs.")],
) -> None:
    """Say in what runs differ, and how they did."""
    from ..runs.compare import compare_runs
    from .comparison import comparison_text

    typer.echo(comparison_text(compare_runs(runs)))


@app.command()
def explain(
    code: Annotated[str | None, typer.Argument(help="A rule's code, such as G201; default: all titles.")] = None,
) -> None:
    """Explain a rule of the checks, with its source in the literature."""
    from ..checks.rules.all import RULES
    from ..checks.rules.all import explain as explain_rule

    if code is None:
        typer.echo("\n".join(f"{r.code}  {r.severity:8} {r.title}" for r in RULES.values()))
        return
    try:
        typer.echo(explain_rule(code))
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
        typer.echo(text)
    else:
        _write(output, text.encode())


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 5000,
) -> None:
    """Open MLflow's own user interface on the store in use."""
    from ..track import serve, ui_command

    command = ui_command(port)
    typer.echo(f"MLflow on http://127.0.0.1:{port} (Ctrl-C ends it)")
    sys.stdout.flush()
    serve(command)


def _collect_garbage() -> None:
    """From here on, and without looking at what the imports made, which stays."""
    gc.freeze()
    gc.enable()


def _warn(warnings: tuple[Problem, ...]) -> None:
    for warning in warnings:
        say(warning.render(), err=True)
