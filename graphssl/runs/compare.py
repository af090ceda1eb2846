"""Several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import RunError, UsageError
from ..track import Comparison, compare
from .folder import find_run

__all__ = ["compare_runs"]


def compare_runs(names: Sequence[str]) -> Comparison:
    """Runs side by side, each by its name under `runs/`, or by its name or id in MLflow."""
    if len(names) < 2:
        raise UsageError("it takes two runs or more to compare")
    return compare([_tracked(name) for name in names])


def _tracked(name: str) -> str:
    try:
        return find_run(name).facts().get("mlflow") or name
    except RunError:
        return name
