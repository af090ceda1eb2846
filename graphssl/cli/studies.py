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
from ..files import special, write_whole
from .arguments import Device, NoCode, Sets, seeds_of
from .completion import complete_studies
from .table import table
from .tracking import app

if TYPE_CHECKING:
    from ..runs.study import Done

__all__ = ["Slurm", "app", "check_output", "confirmed", "counting", "live", "said_of", "tell"]


Slurm = Annotated[
    Path | None, typer.Option(help="A template of Slurm's jobs: an array of them is submitted, and runs the study.")
]


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
    metric: Annotated[str | None, typer.Option(help="By which figure cells are compared: knn, linear/top5.")] = None,
    prune: Annotated[str | None, typer.Option(help="median: end runs that are behind the others' median.")] = None,
    name: Annotated[str | None, typer.Option(help="The study's name; default: of the graph and what varies.")] = None,
    jobs: Annotated[str, typer.Option(help="How many runs at once; auto: as cores, memory and GPUs allow.")] = "auto",
    join: Annotated[bool, typer.Option("--join", help="Take part in a study that runs elsewhere.")] = False,
    storage: Annotated[str | None, typer.Option(help="Where the book is kept: any storage of Optuna's, a URL.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run again what has failed.")] = False,
    slurm: Slurm = None,
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

    check_output(output)
    said = said_of(
        seeds, sets, where=where, sampler=sampler, trials=trials, metric=metric, prune=prune, study=name
    )  # fmt: skip
    asked = study_of(study, axes_in_words(vary or []), said, storage, join=join)
    options = Options(storage, device, jobs, retry, join, slurm, lambda: yes or confirmed())
    with live() as show:
        done = run_study(asked, options, say, show)
    tell(done, output)


def tell(done: Done | None, output: Path | None) -> NoReturn:
    """What came of a study, None of one that was not begun; ends with its exit code."""
    if done is None:
        put("nothing was run")
        raise typer.Exit(0)
    put(outcome_text(done))
    _write(output, done)
    if done.code > 1:
        put("stopped; the same command goes on")
    raise typer.Exit(done.code)


def said_of(seeds: str | None, sets: list[str] | None, **said: Any) -> dict[str, Any]:
    """What a command says of a study, by the keys of its file; what it does not say is left out."""
    found: dict[str, Any] = {"set": sets, **said}
    if seeds is not None:
        found["seeds"] = _seeds(seeds)
    return {key: value for key, value in found.items() if value is not None and value != []}


def _seeds(text: str) -> int | list[int]:
    """`3`: so many; `0,5` or `5,`: which."""
    if not text.isdecimal():
        return seeds_of(text.removesuffix(","))
    if len(text) > 9 or int(text) == 0:
        raise UsageError(f"--seeds is how many, 1 or more, or which: 3, or 0,5 or 5, and not '{text[:60]}'")
    return int(text)


def confirmed(question: str = "begin?", *, default: bool = True) -> bool:
    """Asked where somebody can answer."""
    return bool(typer.confirm(question, default=default)) if _terminal() else True


def _terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


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


def _writers() -> dict[str, Callable[[Any], str]]:
    from ..runs.study import rows_csv, rows_latex, rows_markdown

    return {".md": rows_markdown, ".tex": rows_latex, ".csv": rows_csv}


def check_output(path: Path | None) -> None:
    """Before anything runs. Raises UsageError for a table that could not be written."""
    if path is None:
        return
    if path.suffix not in _writers():
        raise UsageError(f"--output '{path}' ends in none of {', '.join(_writers())}")
    if not path.parent.is_dir():
        raise UsageError(f"--output '{path}': there is no folder '{path.parent}'")
    if found := special(path):
        raise UsageError(f"--output '{path}' is {found}, and no regular file")


def _write(path: Path | None, done: Any) -> None:
    if path is None:
        return
    write_whole(path, _writers()[path.suffix](done.outcome))
    put(f"wrote {escaped(str(path))}")
