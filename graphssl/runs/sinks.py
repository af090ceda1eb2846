"""Where a run's metrics go while it trains: MLflow, and the file beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from ..track import Rows, Tracker
from ..world import current
from .folder import RunFolder
from .quiet import Untracked

__all__ = ["Sinks", "sinks"]


class Sinks:
    """Takes metrics for all of them."""

    def __init__(self, *each: Tracker | Untracked | Rows) -> None:
        self.each = each

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Logs metrics at an optimizer step."""
        for sink in self.each:
            sink.metrics(values, step)


@contextmanager
def sinks(
    folder: RunFolder, tracker: Tracker | Untracked, start: int, warn: Callable[[str], None]
) -> Iterator[Sinks]:  # fmt: skip
    """Those of a run that begins, or goes on, after the step `start`; of several processes the first has them."""
    if not current().first:
        yield Sinks(tracker)
        return
    rows = Rows(folder.rows, start, warn)
    try:
        yield Sinks(tracker, rows)
    finally:
        rows.close()
