"""A study is run, or gone on with."""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...files import write_whole, writing
from ...track import Lock, Status
from ...train.device import choose_device
from .book import Book, Trial, find_book
from .finding import no_study
from .opening import optuna_here
from .outcome import Outcome, columns, figure_text, outcome_of, rows_csv, rows_markdown
from .parent import Parent, membership_in
from .places import check_jobs, places_of
from .plan import Plan, labels_in, note_cell, planned
from .reading import Asked
from .slurm import check_cluster, submit
from .spec import Study
from .sweep import Sweep
from .template import Template
from .words import ended_text, labels_text, plan_lines, standing_text

if TYPE_CHECKING:
    import pandas

__all__ = ["Done", "Options", "outcome_in", "run_study"]

Say = Callable[[str], None]
OWNER = "parent.lock"  # beside the book: whoever holds it writes the study's run in MLflow


@dataclass(frozen=True)
class Options:
    """How a study is run. storage: a URL of Optuna's. jobs: see `places_of`. retry: what has failed, again. join: take
    part in a study that another began. slurm: a template; jobs of Slurm run it. confirm: asked with what the study
    takes; False ends it before it begins."""

    storage: str | None = None
    device: str = "auto"
    jobs: str = "auto"
    retry: bool = False
    join: bool = False
    slurm: Path | None = None
    confirm: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Done:
    """What came of a study. code: the exit code of one that was stopped; 1 where runs have failed; else 0."""

    outcome: Outcome
    folder: Path
    code: int

    def frame(self) -> pandas.DataFrame:
        """A row for each run: what its cell has, its seed, the metric, and how it stands."""
        return self.outcome.frame()

    def _repr_html_(self) -> str:
        """What a notebook shows: the study's table."""
        import pandas

        head, *rows = columns(self.outcome)
        return f"<p>{html.escape(self.outcome.name)}</p>{pandas.DataFrame(rows, columns=head).to_html(index=False)}"


def run_study(asked: Asked | Plan, options: Options, say: Say, show: Say | None = None) -> Done | None:
    """Runs what is not done yet; None where it was not confirmed. say: told, line by line. show: how it stands, often.

    Raises UsageError where the study of that name is another, RunError where its book does not open.
    """
    optuna_here()
    check_jobs(options.jobs)
    template = check_cluster(options.slurm) if options.slurm is not None else None
    device = choose_device(options.device) if template is None else None  # of another machine
    plan = asked if isinstance(asked, Plan) else planned(asked, _counting(show))
    asked = plan.asked
    book = _open(plan, options, new=False)
    if book is not None:
        if plan.made is None or not options.join:  # else it is as the book has it
            _refuse_another(book, asked)
        book.free()
    elif options.join:
        raise UsageError(no_study(asked.name, options.storage))
    trials = book.trials() if book is not None else []
    done = len({(one.cell, one.seed) for one in trials if one.state in ("complete", "pruned")})
    forecast = plan.forecast(device) if done < plan.runs and device is not None else None
    memory = forecast.memory if forecast is not None else 0
    places = places_of(options.jobs, options.device, memory, plan.runs - done) if device is not None else []
    for line in plan_lines(plan, done, len(places), forecast):
        say(line)
    if done < plan.runs and not options.confirm():
        return None
    with writing(plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)
    book = book or _open(plan, options, new=True)
    assert book is not None
    _note(book, plan)
    if not options.join:
        for cell, drawn, seed in plan.missing(book.trials(), retry=options.retry):
            book.add(cell, seed, plan.run_name(cell, seed), drawn)
    telling = _Telling(plan, book, say, show)
    return _run(Sweep(plan, book, places, say, telling, telling.show, membership_in(plan, book)), options, template)


def _counting(show: Say | None) -> Callable[[int], None] | None:
    return None if show is None else lambda count: show(f"{count} cells checked")


def _open(plan: Plan, options: Options, *, new: bool) -> Book | None:
    spec, more = plan.asked.spec, plan.metric.more
    return find_book(plan.asked.name, plan.folder, options.storage, more=more, sampler=spec.sampler, new=new)


def _run(sweep: Sweep, options: Options, template: Template | None) -> Done:
    plan, book, say, code = sweep.plan, sweep.book, sweep.say, 0
    owner, tracked = Lock(plan.folder / OWNER), "mlflow" in plan.asked.graph.spec.track
    try:
        parent = Parent(plan, book, say) if tracked and not options.join and owner.take() else None
        sweep.membership, sweep.waits = membership_in(plan, book), not options.join
        if template is None:
            code = sweep.run()
        else:
            say(submit(plan, book, template, _words(options)))
        outcome = outcome_in(plan, book)
        if tracked and parent is None and outcome.ended and owner.take():  # who began it is gone: this was the last
            parent = Parent(plan, book, say)
        status: Status = "FINISHED" if outcome.ended else "KILLED" if template is None else "SCHEDULED"
        for line in parent.finish(outcome, rows_markdown(outcome), status) if parent is not None else ():
            say(f"warning: {line}")
    finally:
        owner.close()
    write_whole(plan.folder / "table.md", rows_markdown(outcome))
    write_whole(plan.folder / "runs.csv", rows_csv(outcome))
    return Done(outcome, plan.folder, code or int(bool(outcome.failed)))


def _words(options: Options) -> list[str]:
    """How who joins is told where it computes, and where the book is."""
    storage = () if options.storage is None else ("--storage", options.storage)
    return ["--device", options.device, *storage]


def _refuse_another(book: Book, asked: Asked) -> None:
    facts, other = book.facts(), "give this one another name (--name, or study: in its file)"
    if book.is_foreign():
        raise UsageError(f"the storage has a study '{asked.name}' that is not of graphssl's making: {other}")
    if facts.get("digest", asked.digest) != asked.digest:
        spec = asked.spec.model_dump(mode="json")
        asks = ("vary", "where", "sampler", "metric")
        changed = [key for key in asks if facts["spec"].get(key, _unsaid(key)) != spec[key]]
        what = f"with another {', '.join(changed)}" if changed else "of a graph, or files, that have changed since"
        raise UsageError(f"there is a study '{asked.name}' already, {what}: {other}")


def _unsaid(key: str) -> Any:
    """What a study's file that does not say something says."""
    return Study.model_fields[key].get_default(call_default_factory=True)


def _note(book: Book, plan: Plan) -> None:
    """What the study is, for whoever goes on with it."""
    asked = plan.asked
    spec = asked.spec.model_dump(mode="json", exclude_unset=True)
    made = {} if plan.made is None else {"made": plan.made}
    book.note(spec=spec, folder=str(asked.folder.resolve()), digest=asked.digest, base=plan.base, **made)
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
        labels, outcome = labels_in(self.book).get(trial.cell, {}), outcome_in(self.plan, self.book)
        self.say(ended_text(trial, labels, self.plan.metric, self._done(outcome), self.plan.runs))

    @staticmethod
    def _done(outcome: Outcome) -> int:
        return sum(outcome.count(state) for state in ("complete", "pruned", "failed"))

    def show(self, sweep: Sweep) -> None:
        """Not more than once a second."""
        if self._show is None or time.monotonic() - self._shown < 1:
            return
        self._shown = time.monotonic()
        outcome = outcome_in(self.plan, self.book)
        done, rows = self._done(outcome), outcome.rows
        best = rows[0] if rows and rows[0].spread is not None else None
        said = None if best is None else f"{figure_text(best)} ({labels_text(best.labels)})"
        each = (time.monotonic() - self._began) / self._ended if self._ended else None
        left = None if each is None else each * (self.plan.runs - done)
        running = max(outcome.count("running"), len(sweep.running))
        self._show(standing_text(done, running, self.plan.runs, left, said))
