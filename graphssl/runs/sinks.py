"""Where a run's metrics go while it trains: the file beside it, and what `track:` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ..checks.checked import Checked
from ..data import Datasets
from ..track import Point, Rows, Sink, Status, TensorBoard, Tracker
from ..world import current
from .figures import BOARD
from .folder import RunFolder
from .quiet import Untracked
from .tracking import open_tracker

__all__ = ["Sinks", "open_sinks"]

Say = Callable[[str], None]


class Sinks:
    """Takes what a run tells, for all of them. run_id: what MLflow knows the run as, where it does."""

    def __init__(self, each: Sequence[Sink], known: str | None) -> None:
        self.each, self._known = tuple(each), known

    @property
    def run_id(self) -> str | None:
        return next((sink.run_id for sink in self.each if isinstance(sink, Tracker)), self._known)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Logs metrics at an optimizer step."""
        for sink in self.each:
            sink.metrics(values, step)

    def text(self, content: str, artifact: str) -> None:
        """Logs text as an artifact of that name."""
        for sink in self.each:
            sink.text(content, artifact)

    def file(self, path: str | Path, artifact_folder: str = "") -> None:
        """Logs a file of the run's folder as an artifact."""
        for sink in self.each:
            sink.file(path, artifact_folder)

    def model(self, folder: Path, step: int, register: str) -> None:
        """Logs a model, where MLflow is among them. register: its name there, or nothing."""
        for sink in self.each:
            if isinstance(sink, Tracker):
                sink.model(folder, step, register)

    def finish(self, status: Status, timeout: float = 60.0) -> list[str]:
        """Ends the run everywhere; what to warn of."""
        return [line for sink in self.each for line in sink.finish(status, timeout)]


def open_sinks(checked: Checked, data: Datasets, folder: RunFolder, start: int, say: Say) -> Sinks | Untracked:
    """Those of a run that begins, or goes on, after the step `start`; of several processes the first has them.

    One that the run did not have before gets what the run has logged up to there.
    """
    known = folder.facts().get("mlflow")
    if not current().first:
        return Untracked(known)
    rows = Rows(folder.rows, start, say)
    asked = [OPEN[name] for name in checked.graph.spec.track if name in OPEN]  # else it is the rows
    opened = [rows, *(begin(Opening(checked, data, folder, start, rows.kept, say)) for begin in asked)]
    rows.kept = []
    return Sinks(opened, known)


@dataclass(frozen=True)
class Opening:
    """What a sink begins with. before: the points up to the step `start`. say: told of what goes wrong."""

    checked: Checked
    data: Datasets
    folder: RunFolder
    start: int
    before: Sequence[Point]
    say: Say


def _mlflow(run: Opening) -> Sink:
    known = run.folder.facts().get("mlflow")
    tracker = open_tracker(run.checked, run.data, run.folder, run.say)
    for step, points in groupby(run.before if known is None else (), key=lambda point: point.step):
        tracker.metrics({point.name: point.value for point in points}, step)
    return tracker


def _tensorboard(run: Opening) -> Sink:
    return TensorBoard(run.folder.path / BOARD, run.start, run.before, run.say)


OPEN: Mapping[str, Callable[[Opening], Sink]] = {"mlflow": _mlflow, "tensorboard": _tensorboard}
