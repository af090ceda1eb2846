"""The page of a study, from its book and from its runs, as far as these are here; nothing is trained for it."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import GraphError, RunError, UsageError
from ...evaluation.registry import metric_title
from ...graph.read import load
from ...report.page import Axis, Html, Plot, Section, check_plotly, element, page, parallel, table
from ..pages import (
    COLOURED,
    Entry,
    Gathered,
    Progress,
    Subject,
    check_page,
    curve_section,
    feature_sections,
    features_for,
    figure_plot,
    graph_section,
    made_by,
    metric_is_share,
    named,
    notes_of,
    subject_of,
    view_section,
    write_page,
)
from .book import Book, Trial, find_book, is_gone
from .finding import no_study
from .listed import base_of
from .metric import Metric, metric_of
from .opening import optuna_here
from .outcome import Outcome, Row, columns, outcome_of
from .plan import STUDIES, labels_in
from .reading import asked_in_file, is_study

__all__ = ["PAGE", "report_study"]

PAGE = "report.html"  # in the study's folder
STOPPED = "stopped"


def report_study(
    source: str, output: Path | None = None, storage: str | None = None, *, features: bool = True,
    device: str = "auto", progress: Progress | None = None,
) -> Path:  # fmt: skip
    """Writes the page of a study by its name, its file or its folder; default: `report.html` in its folder.

    storage: where its book is kept, any of Optuna's. features, progress: of `compare_page`. Raises UsageError for a
    study that is not there, or is another's.
    """
    optuna_here()
    name = _name_of(source)
    folder = STUDIES / name
    check_plotly()
    book = find_book(name, folder, storage)
    if book is None:
        raise UsageError(no_study(source, storage))
    if output is None:
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / PAGE if output is None else output
    check_page(path)
    study = _gathered(name, book)
    more = "" if storage is None else " --storage URL"
    made = made_by(f"graphssl report {shlex.quote(source)}{more} -o {shlex.quote(str(path))}")
    found = features_for(study.there, features, device, progress)
    text = page(f"Study {name}", study.subtitle, study.notes(), study.sections(found), made)
    write_page(path, text, name, book.facts().get("mlflow"))
    return path


def _name_of(source: str) -> str:
    """Of a name, a study's file, or its folder."""
    if is_study(source):
        return asked_in_file(Path(source), {}).name
    path = Path(source)
    return path.name if path.is_dir() and path.resolve().parent == STUDIES.resolve() else source


def _gathered(name: str, book: Book) -> _Page:
    facts = book.facts()
    if "spec" not in facts:
        raise UsageError(f"the study '{name}' is not of graphssl's making, or was not begun: there is nothing to show")
    metric, trials, labels = _metric(name, facts), book.trials(), labels_in(book)
    outcome = outcome_of(name, metric, labels, trials, base_of(facts))
    return _Page(facts, outcome, list(_entries(outcome)))


def _metric(name: str, facts: Mapping[str, Any]) -> Metric:
    """As the study's runs were compared by it."""
    said = facts["spec"].get("metric")
    for key, fact in facts.items():
        if key.startswith("cell "):
            try:
                return metric_of(load(fact["graph"]), said)
            except GraphError as error:
                raise RunError(f"a graph of the study '{name}' cannot be read here:\n{error}") from error
    raise UsageError(f"the study '{name}' has no cell yet: there is nothing to show")


def _entries(outcome: Outcome) -> Iterator[Entry]:
    """A cell each, with those of its runs that are here."""
    varied = _varied(outcome)
    for number, row in enumerate(outcome.rows):
        runs = [one for trial in row.trials.values() if (one := _subject(trial)) is not None]
        yield Entry(_called(row, varied), tuple(runs), number if number < COLOURED else None, row.labels)


def _subject(trial: Trial) -> Subject | None:
    try:
        return subject_of(trial.run)
    except RunError:
        return None


def state_of(trial: Trial) -> str:
    """As the book has it; what runs by a process that is gone does not."""
    return STOPPED if trial.state == "running" and is_gone(trial) else trial.state


def _varied(outcome: Outcome) -> list[str]:
    """The keys of which there are several values."""
    found = [key for key in outcome.keys if len({row.labels.get(key) for row in outcome.rows}) > 1]
    return found or list(outcome.keys[:1])


def _called(row: Row, varied: Sequence[str]) -> str:
    """`temperature 0.1, out 32`; of one key its value alone."""
    if len(varied) == 1:
        return row.labels.get(varied[0], "-")
    last = [key.rpartition(".")[2] for key in varied]
    said = [short if last.count(short) == 1 else key for key, short in zip(varied, last, strict=True)]
    return ", ".join(f"{short} {row.labels.get(key, '-')}" for key, short in zip(varied, said, strict=True))


@dataclass(frozen=True)
class _Page:
    facts: Mapping[str, Any]
    outcome: Outcome
    entries: list[Entry]

    @property
    def subtitle(self) -> str:
        outcome, graph = self.outcome, self.facts["spec"].get("graph", "")
        cells, runs = len(outcome.rows), sum(len(row.trials) for row in outcome.rows)
        title = metric_title(outcome.metric.name, quantity=True)
        what = str(self.facts.get("made", f"sweep of {graph}"))
        complete, fixed = outcome.count("complete"), _fixed(outcome)
        told = f" All with {', '.join(f'{key} {label}' for key, label in fixed.items())}." if fixed else ""
        return f"{what}: {cells} cells, {complete} of {runs} runs complete, compared by {title}.{told}"

    def notes(self) -> Iterator[str]:
        states = [state_of(trial) for trial in self._trials()]
        for state in ("waiting", "running", STOPPED, "pruned", "failed"):
            if count := states.count(state):
                yield f"{count} run{'s' * (count > 1)} {'are' if count > 1 else 'is'} {state}."
        if STOPPED in states or "waiting" in states:
            yield "The command that began the study goes on with it."
        lost = [trial.run for trial in self._trials() if trial.state == "complete" and trial.run not in self._here()]
        if lost:
            more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
            yield (
                f"Not under runs/ here: {', '.join(lost[:5])}{more}. Their figures are from the study's book; curves, "
                "graphs and features of them are not on this page."
            )
        yield from notes_of([run for entry in self.entries for run in entry.runs if run.lacks])

    def _here(self) -> set[str]:
        return {run.name for entry in self.entries for run in entry.runs}

    def _trials(self) -> Iterator[Trial]:
        return (trial for row in self.outcome.rows for trial in row.trials.values())

    @property
    def there(self) -> list[Entry]:
        """Those of whose runs one is here."""
        return [entry for entry in self.entries if entry.runs]

    def sections(self, found: Gathered | None) -> list[Section]:
        """found: features of those that are here."""
        there = self.there
        return [
            _results(self.outcome, self.entries),
            *_coordinates(self.outcome),
            curve_section(there),
            graph_section(there),
            view_section(there, found.views if found is not None else {}),
            *feature_sections(there, found),
            self._runs(),
        ]

    def _runs(self) -> Section:
        rows = []
        for entry, row in zip(self.entries, self.outcome.rows, strict=True):
            for seed, trial in row.trials.items():
                value = "-" if trial.value is None else f"{trial.value:.5g}"
                rows.append([trial.run, entry.name, str(seed), state_of(trial), value, trial.why or ""])
        head = ["run", "cell", "seed", "state", self.outcome.metric.name, "why"]
        return Section("runs", "Runs", [table(head, rows, "runs of the study", numbers=(2, 4), seen=False)])


def _fixed(outcome: Outcome) -> dict[str, str]:
    """What is the same in all cells."""
    varied = _varied(outcome)
    return {key: outcome.rows[0].labels.get(key, "-") for key in outcome.keys if key not in varied}


def _results(outcome: Outcome, entries: Sequence[Entry]) -> Section:
    fixed = _fixed(outcome)
    kept = [i for i, word in enumerate(columns(outcome)[0]) if word not in fixed]
    head, *rows = ([row[i] for i in kept] for row in columns(outcome))
    at = len(outcome.keys) - len(fixed)
    shown: list[list[str | Html]] = []
    for row, of, entry in zip(rows, outcome.rows, entries, strict=True):
        best = of.best and len(outcome.rows) > 1
        words: list[str | Html] = list(row)
        words[0] = named(entry, row[0])
        words[at] = element("span", row[at], class_="best" if best else None)
        shown.append(words)
    seeds = head.index("seeds")
    said = "The mean over the seeds, with half of its 95 % interval (Student's t)."
    if outcome.base is not None:
        said += " The difference is taken seed by seed, with a paired interval."
    values = [list(row.values.values()) for row in outcome.rows]
    plots: list[Plot] = [figure_plot(outcome.metric.name, entries, values)] if any(values) else []
    told = table(head, shown, "cells of the study", numbers=range(at, seeds + 1), seen=False)
    return Section("results", "Results", [said, told, *plots])


def _coordinates(outcome: Outcome) -> list[Section]:
    """Parallel coordinates, where several keys vary and there are figures."""
    rows = [(row, row.spread.mean) for row in outcome.rows if row.spread is not None]
    keys = [key for key in outcome.keys if len({row.labels.get(key) for row, _ in rows}) > 1]
    if len(keys) < 2:
        return []
    title, means = metric_title(outcome.metric.name), [mean for _, mean in rows]
    labels = {key: [row.labels.get(key, "-") for row, _ in rows] for key in keys}
    share = metric_is_share(outcome.metric.name, means)
    axes = [*(_axis(key, labels[key]) for key in keys), Axis(title, means, percent=share)]
    label = f"parallel coordinates of {len(rows)} cells: {', '.join(keys)} and {title}; the table of results has them"
    plot = parallel("parallel", f"cells by {title}", label, axes, means, more=outcome.metric.more)
    said = "A line is a cell. Drag along an axis to mark a range, an axis' title to move it; a click lets go."
    return [Section("coordinates", "Parallel coordinates", [said, plot])]


def _axis(key: str, labels: Sequence[str]) -> Axis:
    title = key.rpartition(".")[2]
    numbers = [_number(label) for label in labels]
    values = [number for number in numbers if number is not None]
    if len(values) == len(labels):
        log = min(values) > 0 and max(values) / min(values) > 20
        return Axis(title, values, log=log)
    words = list(dict.fromkeys(labels))
    return Axis(title, [words.index(label) for label in labels], words)


def _number(label: str) -> float | None:
    try:
        found = json.loads(label)
    except ValueError:
        return None
    usable = isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
    return float(found) if usable else None
