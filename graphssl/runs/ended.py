"""A run that has come to its end and is asked to go on: what came of it, again, and what of it was not delivered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..graph.read import load
from ..train.outcome import Outcome, saved_scores
from ..world import the_same
from .folder import RunFolder
from .left import deliver_finished
from .results import Result
from .resume import SPANS, changes_since

__all__ = ["ended", "has_ended"]


def has_ended(folder: RunFolder, payload: Mapping[str, Any]) -> bool:
    """Whether a run says so itself, of its last checkpoint: nothing of its data has to be known.

    Raises UsageError where its graph is another by now.
    """
    facts = folder.facts()
    if (facts.get("status"), facts.get("step")) != ("finished", payload["step"]) or payload.get("unjudged"):
        return False
    return not any(change.key in SPANS for change in changes_since(folder, payload, load(folder.graph)))


def ended(folder: RunFolder, payload: Mapping[str, Any], report: Callable[[str], None]) -> Result:
    """Says so, and delivers what is left. payload: of the last checkpoint."""
    report(f"the run {folder.name} has finished: there is nothing to resume")
    the_same(lambda: deliver_finished(folder, report))
    facts = folder.facts()
    speed = facts.get("images_per_second", 0.0)
    outcome = Outcome(payload["step"], facts.get("loss", float("nan")), saved_scores(payload), images_per_second=speed)
    return Result(folder, outcome, facts.get("mlflow"), ())
