"""Several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import RunError, UsageError
from ..track import Comparison, compare
from .folder import find_run
from .pages.subject import beside, subjects_of

__all__ = ["compare_runs"]


def compare_runs(names: Sequence[str]) -> Comparison:
    """Runs side by side, each by its name under `runs/`, or by its name or id in MLflow.

    Where one is here that MLflow does not know, all that are here are compared by what their folders have.
    """
    if len(names) < 2:
        raise UsageError("it takes two runs or more to compare")
    known = [_tracked(name) for name in names]
    if None in known:
        return beside(subjects_of(names))
    return compare([name for name in known if name is not None])


def _tracked(name: str) -> str | None:
    """What MLflow knows a run as; None for one that is here and has never been there."""
    try:
        folder = find_run(name)
        return folder.facts().get("mlflow") or (name if folder.spool.exists() else None)
    except RunError:
        return name
