"""Studies as they are kept, with runs that nobody has trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kept_runs import keep_run

from graphssl.graph.language.dump import dump
from graphssl.runs.study import study_of
from graphssl.runs.study.book import Book, Trial, find_book
from graphssl.runs.study.plan import Plan, labels_in, planned
from graphssl.runs.study.verbs import _note

__all__ = ["begin_study", "keep_study"]

Figure = Callable[[Mapping[str, str], int], float | None]  # of a cell's labels and a seed; None: it has failed


def begin_study(vary: Mapping[str, Any], name: str, seeds: int = 2) -> tuple[Plan, Book]:
    """A study of graph.yaml in the current folder, none of whose runs is begun."""
    plan = planned(study_of("graph.yaml", vary, {"study": name, "seeds": seeds}, None))
    book = find_book(name, plan.folder, None, new=True, more=plan.metric.more)
    assert book is not None
    _note(book, plan)
    for cell, drawn, seed in plan.missing([], retry=False):
        book.add(cell, seed, plan.run_name(cell, seed), drawn)
    return plan, book


def keep_study(vary: Mapping[str, Any], name: str, figure: Figure, seeds: int = 2) -> list[Trial]:
    """One that has ended, with the folders of its runs."""
    plan, book = begin_study(vary, name, seeds)
    labels = labels_in(book)
    while (trial := book.take(plan.asked.axes)) is not None:
        value = figure(labels[trial.cell], trial.seed)
        keep_trial(plan, trial, [0.1, (value or 0.1) / 2, value or 0.1])
        if value is None:
            book.tell(trial.number, state="failed", why="the loss is not finite")
        else:
            book.tell(trial.number, value)
    return book.trials()


def keep_trial(plan: Plan, trial: Trial, knn: Sequence[float]) -> Path:
    """The folder of a study's run."""
    assert plan.cells is not None
    cell = next(cell for cell in plan.cells.cells if cell.digest == trial.cell)
    resolved = cell.checked.graph.resolved()
    resolved["train"] = {**resolved["train"], "seed": trial.seed}
    curves = {"loss": [1.0, 0.5, 0.2], "knn": list(knn)}
    return keep_run(Path(), trial.run, resolved=dump(resolved), curves=curves)
