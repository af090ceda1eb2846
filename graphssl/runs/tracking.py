"""What a run is known as in MLflow: its name, the graph as parameters, and where it comes from as tags."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ..checks.checked import Checked
from ..errors import RunError
from ..evaluation.registry import better_metrics
from ..track import CHANGED, LESS_IS_BETTER, MORE_IS_BETTER, Status, Tracker
from ..track.names import flatten
from ..world import current
from .folder import RunFolder
from .left import Beside

__all__ = ["PARENT", "STUDY", "TAG", "better_tags", "open_tracker"]

PARENT, STUDY = "GRAPHSSL_PARENT", "GRAPHSSL_STUDY"  # in the environment of a study's runs: its run in MLflow, its name
TAG = "graphssl.study"


class _RunTracker(Tracker):
    """A run's tracker, with what earlier runs have left beside it."""

    beside: Beside

    def finish(self, status: Status, timeout: float = 60.0) -> list[str]:
        warnings = super().finish(status, timeout)
        return [*warnings, *self.beside.close(wait=status == "FINISHED")]


def open_tracker(checked: Checked, folder: RunFolder, say: Callable[[str], None]) -> Tracker:
    """Begins to track a run, or goes on with it. say: told when the store fails, and what else arrives."""
    graph = checked.graph
    files = [str(f) for f in graph.source.files]
    asked = graph.spec.evaluate.asked
    changes = flatten(folder.facts().get("changes", {}))
    tags = {
        **{f"{CHANGED}{name}": value for name, value in changes.items()},
        "graphssl.graph": graph.name,
        "graphssl.graph_file": files[-1],
        "graphssl.graph_hash": graph.hash(),
        "graphssl.parent": files[-2] if len(files) > 1 else "",
        "graphssl.folder": str(folder.path),
        TAG: os.environ.get(STUDY, ""),
        "mlflow.parentRunId": os.environ.get(PARENT, ""),
        "graphssl.processes": str(current().size),
        "graphssl.notes": "; ".join(folder.facts().get("notes", ())),
        **better_tags(asked),
    }
    if (twin := _twin(folder)) is not None:
        say(
            f"warning: {twin} is the same run in MLflow, which has one point of a metric at a step: of two copies, "
            'what comes second is not logged. To track one by itself, take "mlflow" out of its run.json'
        )
    tracker = _RunTracker(
        folder.name, params=graph.resolved(), tags=tags, spool=folder.spool,
        resume=folder.facts().get("mlflow"), warn=lambda text: say(f"warning: {text}"),
    )  # fmt: skip
    tracker.beside = Beside(folder, say)
    return tracker


def better_tags(asked: Iterable[str]) -> dict[str, str]:
    """Of whose numbers more is better, and of whose less, as a run in MLflow says it. asked: evaluations."""
    names = list(asked)
    return {
        tag: ",".join(metric for name in names for metric in better_metrics(name, more))
        for tag, more in ((MORE_IS_BETTER, True), (LESS_IS_BETTER, False))
    }


def _twin(folder: RunFolder) -> Path | None:
    """The folder beside it of which it is a copy, or that is one of it."""
    known, here = folder.facts().get("mlflow"), folder.path.resolve()
    for path in sorted(here.parent.glob("*/run.json")) if known else ():
        with contextlib.suppress(RunError):  # another run's affair
            if path.parent.resolve() != here and RunFolder(path.parent).facts().get("mlflow") == known:
                return path.parent
    return None
