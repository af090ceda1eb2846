"""The commands of studies: what varies in a graph, in words or in a file, run and compared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ..console import put, say
from ..errors import UsageError, escaped
from .arguments import Device, NoCode, Sets, seeds_of
from .completion import complete_studies
from .table import table
from .tracking import app

if TYPE_CHECKING:
    from ..runs.study import Done

__all__ = ["app", "confirmed", "counting", "live", "said_of", "tell"]


@app.command()
def sweep(
    study: Annotated[
        str,
        typer.Argument(
            help="A graph, beside it what varies; a study's file; or its name.", autocompletion=complete_studies
        ),
    ],
    vary: Annotated[list[str] | None, typer.Argument(help="KEY=VALUE,VALUE: what varies in the graph.")] = None,
    seeds: Annotated[str | None, typer.Option(help="How many, from 0 on, or which: 3, or 0,5,7.")] = None,
    sets: Sets = None,
    where: Annotated[list[str] | None, typer.Option(help="A condition that cells fulfil. May be repeated.")] = None,
    sampler: Annotated[str | None, typer.Option(help="grid: all cells; random, tpe: draws --trials of them.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Cells that are drawn.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="The figure by which cells are compared: knn, linear/top5.")
    ] = None,
    prune: Annotated[str | None, typer.Option(help="median: end runs that are behind the others' median.")] = None,
    name: Annotated[str | None, typer.Option(help="The study's name; default: of the graph and what varies.")] = None,
    jobs: Annotated[str, typer.Option(help="How many runs at once; auto: as cores, memory and GPUs allow.")] = "auto",
    join: Annotated[bool, typer.Option("--join", help="Take part in a study that runs elsewhere.")] = False,
    storage: Annotated[str | None, typer.Option(help="Where the book is kept: any storage of Optuna's, a URL.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run again what has failed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it begins.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The table also as a file: .md, .tex or .csv.")
    ] = None,
    device: Device = "auto",
    no_code: NoCode = False,
) -> None:
    """Run a study: every cell of what varies, with each seed, all of them checked before anything trains.

    The same command goes on with a study that was stopped or killed.
    """
    from ..runs.study import Options, axes_in_words, run_study, study_of

    said = said_of(
        seeds, sets, where=where, sampler=sampler, trials=trials, metric=metric, prune=prune, study=name
    )  # fmt: skip
    asked = study_of(study, axes_in_words(vary or []), said, storage)
    options = Options(storage, device, jobs, retry, join, lambda: yes or confirmed())
    with live() as show:
        done = run_study(asked, options, say, show)
    tell(done, output)


def tell(done: Done | None, output: Path | None) -> NoReturn:
    """What came of a study, None of one that was not begun; ends with its exit code."""
    if done is None:
        put("nothing was run")
        raise typer.Exit(0)
    put(outcome_text(done))
    if output is not None:
        _write(output, done)
    if done.code > 1:
        put("stopped; the same command goes on")
    raise typer.Exit(done.code)


def said_of(seeds: str | None, sets: list[str] | None, **said: Any) -> dict[str, Any]:
    """What a command says of a study, by the keys of its file; what it does not say is left out."""
    found: dict[str, Any] = {"set": sets, **said}
    if seeds is not None:
        found["seeds"] = int(seeds) if seeds.isdecimal() and int(seeds) > 0 else seeds_of(seeds)
    return {key: value for key, value in found.items() if value not in (None, [])}


def confirmed(question: str = "begin?", *, default: bool = True) -> bool:
    """Asked where somebody can answer."""
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    return bool(typer.confirm(question, default=default))


@contextmanager
def live() -> Iterator[Callable[[str], None] | None]:
    """A line that says how the study stands, on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape

    status = Console(stderr=True).status("")
    begun = False

    def show(text: str) -> None:
        nonlocal begun
        status.update(escape(text))
        if not begun:
            begun = True
            status.start()

    try:
        yield show
    finally:
        status.stop()


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """A line that counts, on a terminal."""
    with live() as show:
        yield (lambda count: None) if show is None else lambda count: show(f"{count} {what}")


def outcome_text(done: Done) -> str:
    """The table, what has failed, and where all of it is."""
    from ..runs.study import columns

    outcome = done.outcome
    lines = [table(columns(outcome))]
    lines += [f"failed: {trial.run}: {trial.why}" for trial in outcome.failed]
    if outcome.failed:
        lines.append("  --retry runs again what has failed")
    lines.append(f"wrote {done.folder / 'table.md'}, {done.folder / 'runs.csv'}")
    return "\n".join([lines[0], *map(escaped, lines[1:])])


def _write(path: Path, done: Done) -> None:
    from ..files import write_whole
    from ..runs.study import rows_csv, rows_latex, rows_markdown

    kinds = {".md": rows_markdown, ".tex": rows_latex, ".csv": rows_csv}
    if path.suffix not in kinds:
        raise UsageError(f"'{path}' is none of {', '.join(kinds)}")
    write_whole(path, kinds[path.suffix](done.outcome))
    put(f"wrote {escaped(str(path))}")
