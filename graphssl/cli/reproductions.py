"""What `graphssl reproduce` says: which reproductions there are, and what came of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..console import put, say, speaks
from ..errors import UsageError, escaped
from ..runs.reproduction import Reproduced, State, states, write_page
from ..runs.reproduction.words import HEAD, figure_rows, published_text, ratio_of
from ..train.signals import Interrupt
from .arguments import seeds_of
from .table import table

__all__ = ["reproduce_and_tell", "reproduced_text", "states_text"]


def reproduce_and_tell(
    name: str | None, seeds: str | None, device: str, sets: Sequence[str], only: str | None, page: bool,
    warn: Callable[[str], None],
) -> int:  # fmt: skip
    """The command; gives its exit code."""
    from .. import api

    if page and (name or seeds or sets or only):
        raise UsageError("--page writes the page of all reproductions, and takes nothing else")
    if name is None and (seeds or sets or only):
        raise UsageError("name the reproduction that is to be run; `graphssl reproduce` alone lists them")
    if page:
        put(f"wrote {escaped(str(write_page()))}")
        return 0
    if name is None:
        put(states_text(states()))
        return 0
    with Interrupt():
        found = api.reproduce(
            name, seeds_of(seeds), device=device, sets=sets, only=only, report=say, warn=warn
        )  # fmt: skip
    if speaks():
        put(reproduced_text(found))
        if found.code:
            put(f"stopped; the same command goes on: {found.written.command}")
    return found.code


def states_text(states: Iterable[State]) -> str:
    """A line for each reproduction: what is published, and how it stands."""
    rows = [["reproduction", "published", "state"]]
    for state in states:
        figures = state.written.spec.figures.items()
        said = ", ".join(f"{metric} {published_text(figure)}" for metric, figure in figures if figure.published)
        rows.append([state.written.name, said or "-", state.text])
    return table(rows)


def reproduced_text(found: Reproduced) -> str:
    """Ours beside what was published, each seed's figures, and where that is kept."""
    spec, lines = found.written.spec, []
    rows = [HEAD, *figure_rows(spec, found.seeds)]
    if spec.beside is not None and found.beside:
        rows += figure_rows(spec, found.beside, spec.beside.name)
    lines += [table(rows)] if found.seeds else ["no seed is done yet"]
    for who, seeds in (("", found.seeds), (f"{spec.beside.name}, " if spec.beside else "", found.beside)):
        for seed, entry in seeds.items():
            scores = ", ".join(f"{metric} {value:.2f}" for metric, value in entry.scores.items())
            time = "" if entry.seconds is None else f"; {entry.seconds:,.0f} s"
            run = "" if entry.run is None else f"; run {entry.run}"
            lines.append(escaped(f"  {who}seed {seed}: {scores}{time}{run}"))
    if (ratio := ratio_of(found.seeds, found.beside)) is not None:
        lines.append(
            f"{spec.beside.name if spec.beside else ''} took {ratio:.2f} times as long (median over the seeds)"
        )
    lines += [f"differs: {escaped(line)}" for line in spec.differs]
    if found.kept is not None:
        lines.append(f"wrote {escaped(str(found.kept))}")
    return "\n".join(lines)
