"""What is done with a study: planned, run, gone on with, read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import Problems, UsageError, suggest
from ...files import write_whole
from ...graph.language.validation import validate
from ...train.device import choose_device
from .book import Book, Trial, books_in, open_book
from .outcome import Outcome, figure_text, outcome_of, rows_csv, rows_markdown
from .parent import Parent
from .places import places_of
from .plan import STUDIES, Plan, labels_in, note_cell, planned
from .reading import Asked, asked_in_file, asked_of, asked_of_axes, is_study
from .spec import Study
from .sweep import Sweep
from .words import ended_text, labels_text, plan_lines, standing_text

__all__ = ["Done", "Options", "outcome_in", "run_study", "study_of"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How a study is run. storage: a URL of Optuna's. jobs: see `places_of`. retry: what has failed, again. join: take
    part in a study that another began. confirm: asked with what the study takes; False ends it before it begins."""

    storage: str | None = None
    device: str = "auto"
    jobs: str = "auto"
    retry: bool = False
    join: bool = False
    confirm: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Done:
    """What came of a study. code: the exit code of one that was stopped; 1 where runs have failed; else 0."""

    outcome: Outcome
    folder: Path
    code: int


def study_of(source: str, vary: Mapping[str, Any], said: Mapping[str, Any], storage: str | None) -> Asked:
    """The study of a graph and what varies in it, of a file, or of a name under `studies/` or in a storage.

    said: what the command says of it, by the file's keys. Raises GraphError and UsageError for what is wrong.
    """
    if vary:
        return asked_of_axes(source, vary, said)
    if is_study(source):
        return asked_in_file(Path(source), said)
    if storage is None and not (STUDIES / source).is_dir():
        known = books_in(STUDIES)
        hint = (
            suggest(source, known, "studies are").text or "nothing varies: say what, as in train.optimizer.lr=0.1,0.2"
        )
        raise UsageError(f"'{source}' is no study's file, and there is no study of that name under {STUDIES}/: {hint}")
    facts = open_book(source, STUDIES / source, storage, new=False).facts()
    spec, wrong = validate(Study, {**facts["spec"], **said})
    if spec is None:
        raise UsageError("; ".join(one.message for one in wrong))
    return asked_of(spec, Path(facts["folder"]), None, Problems())


def run_study(asked: Asked | Plan, options: Options, say: Say, show: Say | None = None) -> Done | None:
    """Runs what is not done yet; None where it was not confirmed. say: told, line by line. show: how it stands, often.

    Raises UsageError where the study of that name is another, RunError where its book does not open.
    """
    plan = asked if isinstance(asked, Plan) else planned(asked)
    asked = plan.asked
    spec, more = asked.spec, plan.metric.more
    book = open_book(asked.name, plan.folder, options.storage, more=more, sampler=spec.sampler, new=not options.join)
    _refuse_another(book, asked)
    book.free()
    trials = book.trials()
    done = sum(one.state in ("complete", "pruned") for one in trials)
    device = choose_device(options.device)
    forecast = plan.forecast(device) if done < plan.runs else None
    places = places_of(options.jobs, options.device, forecast.memory if forecast else 0, plan.runs - done)
    for line in plan_lines(plan, done, len(places), forecast):
        say(line)
    if done < plan.runs and not options.confirm():
        return None
    _note(book, plan)
    if not options.join:
        for cell, seed in plan.missing(trials, retry=options.retry):
            book.add(cell.digest, seed, plan.run_name(cell.digest, seed), cell.drawn)
    parent = None if options.join else Parent(plan, book, say)
    environment = parent.environment if parent is not None else {}
    ended = _Telling(plan, book, say, show)
    code = Sweep(plan, book, places, say, ended, ended.show, environment).run()
    outcome = outcome_in(plan, book)
    for line in parent.finish(outcome, rows_markdown(outcome), ended=code == 0) if parent is not None else ():
        say(f"warning: {line}")
    write_whole(plan.folder / "table.md", rows_markdown(outcome))
    write_whole(plan.folder / "runs.csv", rows_csv(outcome))
    return Done(outcome, plan.folder, code or int(bool(outcome.failed)))


def _refuse_another(book: Book, asked: Asked) -> None:
    known = book.facts().get("digest")
    if known is not None and known != asked.digest:
        raise UsageError(
            f"there is a study '{asked.name}' already, of another graph, or in which something else varies: give this "
            "one another name (--name, or study: in its file)"
        )


def _note(book: Book, plan: Plan) -> None:
    """What the study is, for whoever goes on with it."""
    asked = plan.asked
    spec = asked.spec.model_dump(mode="json", exclude_unset=True)
    book.note(spec=spec, folder=str(asked.folder.resolve()), digest=asked.digest)
    for cell in plan.cells.cells if plan.cells is not None else ():
        note_cell(book, cell)


def outcome_in(plan: Plan, book: Book) -> Outcome:
    """What the book has of the study's cells."""
    labels = labels_in(book)
    if plan.cells is not None:  # in the order of the study
        labels = {cell.digest: cell.labels for cell in plan.cells.cells}
    return outcome_of(plan.asked.name, plan.metric, labels, book.trials(), plan.base)


class _Telling:
    """Says what has ended and how the study stands."""

    def __init__(self, plan: Plan, book: Book, say: Say, show: Say | None) -> None:
        self.plan, self.book, self.say, self._show = plan, book, say, show
        self._began, self._ended, self._shown = time.monotonic(), 0, 0.0

    def __call__(self, trial: Trial) -> None:
        self._ended += 1
        labels = labels_in(self.book).get(trial.cell, {})
        self.say(ended_text(trial, labels, self.plan.metric, self._done(), self.plan.runs))

    def _done(self) -> int:
        outcome = outcome_in(self.plan, self.book)
        return sum(outcome.count(state) for state in ("complete", "pruned", "failed"))

    def show(self, sweep: Sweep) -> None:
        """Not more than once a second."""
        if self._show is None or time.monotonic() - self._shown < 1:
            return
        self._shown = time.monotonic()
        done, rows = self._done(), outcome_in(self.plan, self.book).rows
        best = rows[0] if rows and rows[0].spread is not None else None
        said = None if best is None else f"{figure_text(best)} ({labels_text(best.labels)})"
        each = (time.monotonic() - self._began) / self._ended if self._ended else None
        left = None if each is None else each * (self.plan.runs - done)
        self._show(standing_text(done, len(sweep.running), self.plan.runs, left, said))
