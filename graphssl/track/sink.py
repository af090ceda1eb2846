"""What a run tells of itself while it trains, to whoever keeps it: MLflow, TensorBoard, the file beside it.

Another such sink is a class like these, its word in `graph/spec/track.py`, and a line in `runs/sinks.py`. Nothing that
goes wrong in one may end the training: it is said, by what `finish` gives or by a function that the sink was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

__all__ = ["Sink", "Status"]

Status = Literal["FINISHED", "FAILED", "KILLED", "SCHEDULED"]


class Sink(Protocol):
    """Where metrics and artifacts of one run go. No call waits, but `finish`, and none raises."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Metrics at an optimizer step, by their names under groups, see `grouped.py`."""

    def text(self, content: str, artifact: str) -> None:
        """Text, as an artifact of that name."""

    def file(self, path: str | Path, artifact_folder: str = "") -> None:
        """A file of the run's folder."""

    def finish(self, status: Status, timeout: float = 60.0) -> list[str]:
        """The end of the run, in so many seconds at most; what a user should know."""
