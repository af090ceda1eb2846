"""A study in MLflow: one run, under which those of its cells stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ...graph.language.dump import dump
from ...track import DATA, NOTE, Status, Tracker, fitted
from ...track.grouped import best_of
from ..membership import Membership
from ..tracking import TAG
from .book import Book
from .outcome import Outcome
from .plan import Plan

__all__ = ["Parent", "membership_in"]

WAIT = 60.0  # seconds for the store, whose schema may have to be made first, before runs begin without it


class Parent:
    """Begins the study's run in MLflow, or goes on with it. warn: told when the store fails."""

    def __init__(self, plan: Plan, book: Book, warn: Callable[[str], None]) -> None:
        spec, graph, self._plan = plan.asked.spec, plan.asked.graph, plan
        self._title = f"study **{plan.asked.name}** of {graph.name}: {plan.runs} runs"
        self._asked = dump(spec.model_dump(mode="json", exclude_unset=True))
        failed: list[str] = []

        def told(text: str) -> None:
            failed.append(text)
            warn(f"warning: {text}")

        known = book.facts().get("mlflow")
        values = spec.model_dump(mode="json", include={"vary", "where", "sampler", "prune"}, exclude_none=True)
        self._tracker = Tracker(
            plan.asked.name, params={**_said(values), "seeds": list(plan.seeds), "metric": plan.metric.name},
            tags={
                TAG: plan.asked.name, "graphssl.graph": graph.name, "graphssl.graph_file": str(graph.source.files[-1]),
                DATA: graph.spec.data.use, NOTE: fitted([self._title], self._asked),
            },
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
        self._tracker.tags({NOTE: fitted([self._title, table], self._asked)})
        return self._tracker.finish(status, timeout=30 if outcome.ended else 10)


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def membership_in(plan: Plan, book: Book) -> Membership:
    """What the runs of a study have to know of it, to stand under its run in MLflow."""
    return Membership(plan.asked.name, str(plan.asked.graph.source.files[-1]), book.facts().get("mlflow"))
