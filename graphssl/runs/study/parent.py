"""A study in MLflow: one run, under which those of its cells stand."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...track import Status, Tracker
from ...track.grouped import best_of
from ..tracking import PARENT, STUDY, TAG
from .book import Book
from .outcome import Outcome
from .plan import Plan

__all__ = ["Parent", "environment_under"]

WAIT = 60.0  # seconds for the store, whose schema may have to be made first, before runs begin without it


class Parent:
    """Begins the study's run in MLflow, or goes on with it. warn: told when the store fails."""

    def __init__(self, plan: Plan, book: Book, warn: Callable[[str], None]) -> None:
        spec, self._plan = plan.asked.spec, plan
        failed: list[str] = []

        def told(text: str) -> None:
            failed.append(text)
            warn(f"warning: {text}")

        known = book.facts().get("mlflow")
        values = spec.model_dump(mode="json", include={"vary", "where", "sampler", "prune"}, exclude_none=True)
        self._tracker = Tracker(
            plan.asked.name, params={**values, "seeds": list(plan.seeds), "metric": plan.metric.name},
            tags={TAG: plan.asked.name, "graphssl.graph": plan.asked.graph.name},
            spool=plan.folder / "undelivered.jsonl", resume=known, warn=told,
        )  # fmt: skip
        until = time.monotonic() + WAIT
        while self.run_id is None and not failed and time.monotonic() < until:
            time.sleep(0.05)
        if self.run_id is not None and known is None:
            book.note(mlflow=self.run_id)

    @property
    def run_id(self) -> str | None:
        return self._tracker.run_id

    def finish(self, outcome: Outcome, table: str, status: Status) -> list[str]:
        """Logs what came of the study; what to warn of."""
        done = outcome.count("complete")
        means = [row.spread.mean for row in outcome.rows if row.spread is not None]
        best = {best_of(outcome.metric.name): outcome.metric.best(means)} if means else {}
        self._tracker.metrics({**best, "study/runs": float(done)}, done)
        self._tracker.text(table, "table.md")
        return self._tracker.finish(status, timeout=30 if outcome.ended else 10)


def environment_under(name: str, book: Book) -> dict[str, str]:
    """What the runs of a study have to know to stand under its run in MLflow."""
    known = book.facts().get("mlflow")
    return {STUDY: name, **({} if known is None else {PARENT: known})}
