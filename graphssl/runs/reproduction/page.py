"""docs/reproductions.md, made of the files of the reproductions and of what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...checks.checked import validated
from ...errors import UsageError
from ...files import write_whole
from ...graph.read import load
from .forecast import arithmetic
from .ledger import Results, keep_results, recipe_of, spreads_of
from .read import packaged_folder
from .state import State, states
from .words import HEAD, figure_rows, mean_text, published_text, ratio_of, title_of

__all__ = ["forecast_all", "page", "write_page"]

PAGE = Path("docs", "reproductions.md")
INTRO = """\
# Reproductions

Made by `graphssl reproduce --page` from `reproductions/*.yaml` and `reproductions/results/*.json`; edit those.

`graphssl reproduce NAME` runs a figure's whole recipe: pretraining of each seed, evaluation, and the entry here. Means
are over seeds, with the 95 % interval of the mean by Student's t. Hours of what has not been run are those of the
pretraining of all seeds, by the arithmetic that `graphssl check` counts, on one GPU that does 100 TFLOP/s: a third of
what NVIDIA's data sheet has for an A100 in bfloat16. Small pictures reach less: lightly's published minutes for BYOL
with a ResNet-18 at 32 px, in batches of 512, come to 14 TFLOP/s.
"""


def page() -> str:
    """The page as it is to be."""
    found = list(states())
    beside = [s for s in found if s.ran and s.written.spec.beside]
    ran = [s for s in found if s.ran and not s.written.spec.beside]
    open_ = [s for s in found if not s.ran]
    parts = [INTRO, _section("Beside other code, in one run", _beside_rows(beside)), _section("Run", _ran_rows(ran))]
    parts += [_section("Not run yet", _open_rows(open_)), "## Each of them\n", *map(_entry, found)]
    return "\n".join(part for part in parts if part).rstrip("\n") + "\n"


def write_page(root: Path | None = None) -> Path:
    """Writes it, with the forecasts that are missing; in the checkout that graphssl is of.

    Raises UsageError where it is installed, and no checkout.
    """
    root = packaged_folder().resolve().parent if root is None else root
    if not (root / "pyproject.toml").is_file():
        raise UsageError("the page is part of graphssl's repository, and this is no checkout of it")
    forecast_all()
    path = root / PAGE
    write_whole(path, page())
    return path


def forecast_all() -> None:
    """Adds to the ledger what the recipes cost that have not been run, where that is not known."""
    for state in states():
        if state.ran or (state.current and state.results is not None and state.results.forecast is not None):
            continue
        written, spec = state.written, state.written.spec
        checked = validated(load(written.asked, [*spec.set, f"train.seed={spec.seeds[0]}"]))
        if (forecast := arithmetic(checked)) is not None:  # of a folder nobody knows how many pictures it has
            keep_results(written, Results(recipe=recipe_of(written.graph, spec), forecast=forecast))


def _section(title: str, rows: Sequence[Sequence[str]]) -> str:
    return f"## {title}\n\n{_table(rows)}\n" if len(rows) > 1 else ""


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]])


def _link(state: State) -> str:
    return f"[{state.written.name}](#{state.written.name})"


def _beside_rows(found: Sequence[State]) -> list[list[str]]:
    rows = [["", "figure", "ours", "the other code", "seeds", "minutes", "the other's", "ratio"]]
    for state in found:
        spec, results = state.written.spec, state.results
        assert results is not None
        ours, theirs = spreads_of(spec, results.seeds), spreads_of(spec, results.beside)
        minutes = [[e.seconds / 60 for e in side.values() if e.seconds] for side in (results.seeds, results.beside)]
        spent = [f"{sum(side) / len(side):.1f}" if side else "-" for side in minutes]
        ratio = ratio_of(results.seeds, results.beside)
        for metric, figure in spec.figures.items():
            means = [mean_text(side.get(metric)) for side in (ours, theirs)]
            count, times = f"{len(results.seeds)}", "-" if ratio is None else f"{ratio:.2f}"
            rows.append([_link(state), title_of(metric, figure), *means, count, *spent, times])
    return rows


def _ran_rows(found: Sequence[State]) -> list[list[str]]:
    rows = [["", *HEAD]]
    for state in found:
        assert state.results is not None
        rows += [[_link(state), *row] for row in figure_rows(state.written.spec, state.results.seeds)]
    return rows


def _open_rows(found: Sequence[State]) -> list[list[str]]:
    rows = [["", "figure", "published", "seeds", "why"]]
    for state in found:
        spec = state.written.spec
        for metric, figure in spec.figures.items():
            seeds = f"{len(spec.seeds)}"
            rows.append([_link(state), title_of(metric, figure), published_text(figure), seeds, state.text])
    return rows


def _entry(state: State) -> str:
    """A reproduction in full."""
    return "\n".join([f"### {state.written.name}\n", *_lines(state), ""])


def _lines(state: State) -> Iterator[str]:
    written, spec = state.written, state.written.spec
    yield f"{spec.title}. `{written.command}` runs `{spec.graph}`{_changes(spec.set)}.\n"
    for source in dict.fromkeys(f.published.source for f in spec.figures.values() if f.published is not None):
        yield f"Published: {source}.\n"
    if spec.differs:
        yield "Differs from what was published:\n"
        yield from (f"- {line}" for line in spec.differs)
        yield ""
    yield f"State: {state.text}.\n"
    if state.results is not None:
        yield from _seeds(state)


def _changes(changes: Sequence[str]) -> str:
    return " with " + ", ".join(f"`{change}`" for change in changes) if changes else ""


def _seeds(state: State) -> Iterator[str]:
    """Of each seed what came of it, and how."""
    assert state.results is not None
    spec, results = state.written.spec, state.results
    sides = [("ours", results.seeds), (spec.beside.name if spec.beside else "", results.beside)]
    rows = [["seed", *(title_of(metric, figure) for metric, figure in spec.figures.items()), "seconds"]]
    for who, seeds in sides:
        for seed, entry in seeds.items():
            scores = [f"{entry.scores[m]:.2f}" if m in entry.scores else "-" for m in spec.figures]
            seconds = "-" if entry.seconds is None else f"{entry.seconds:,.0f}"
            rows.append([f"{seed}, {who}" if results.beside else seed, *scores, seconds])
    if len(rows) > 1:
        yield f"{_table(rows)}\n"
    for line in dict.fromkeys(f"`{e.command}`; {e.machine}, {e.date}." for e in results.seeds.values()):
        yield f"{line}\n"
