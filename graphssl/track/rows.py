"""A run's metrics as rows of a file beside it, `metrics.csv`: there also where no MLflow is, and read by any tool."""

from __future__ import annotations

import contextlib
import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from ..errors import RunError
from ..files import read_regular, write_whole
from .grouped import grouped_all, short
from .sink import Status

__all__ = ["Point", "Rows", "read_rows"]

HEAD = ("step", "metric", "value")
LARGEST = 1 << 30  # bytes


@dataclass(frozen=True)
class Point:
    """A metric at an optimizer step. name: under its group, `eval/knn`."""

    step: int
    name: str
    value: float

    @property
    def metric(self) -> str:
        """As people say it, `knn`."""
        return short(self.name)


@dataclass
class Rows:
    """Adds a row for each metric as it is logged; a row is handed to the system before the training goes on.

    start: the step at which the training begins or goes on: rows after it are of an end that is trained again.
    warn: told once where the file cannot be written; the training goes on without it.
    """

    path: Path
    start: int
    warn: Callable[[str], None]
    _file: IO[str] | None = field(default=None, init=False)
    _known: set[tuple[int, str]] = field(default_factory=set, init=False)
    kept: list[Point] = field(default_factory=list, init=False)  # rows up to there, for whoever has none yet

    def __post_init__(self) -> None:
        with self._telling():
            self.kept = [point for point in read_rows(self.path) if point.step <= self.start] if self.start else []
            write_whole(self.path, _text(self.kept, head=True))
            self._file = self.path.open("a", encoding="utf-8", newline="")
            self._known = {(point.step, point.name) for point in self.kept if point.step == self.start}

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Logs metrics at an optimizer step; what is there of the step at which it began is not logged again."""
        if self._file is None:
            return
        new = [Point(step, name, float(v)) for name, v in values.items() if (step, name) not in self._known]
        with self._telling():
            self._file.write(_text(new))
            self._file.flush()

    def text(self, content: str, artifact: str) -> None:
        """The run's folder has it as it is."""

    def file(self, path: str | Path, artifact_folder: str = "") -> None:
        """It is there already."""

    def finish(self, status: Status, timeout: float = 60.0) -> list[str]:
        """Closes the file."""
        self.close()
        return []

    def close(self) -> None:
        """Closes the file; nothing is logged any more."""
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):
                file.close()

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RunError) as error:
            reason = (
                error if isinstance(error, RunError) else f"{self.path} cannot be written: {error.strerror or error}"
            )
            self.warn(f"warning: {reason}; the metrics from here on are not in it")
            self.close()


def read_rows(path: Path) -> list[Point]:
    """The rows of a run, in their order, by the names under groups, whatever the file has; none where there is no file.
    A row that is cut off is left out."""
    try:
        content = read_regular(path, LARGEST) or b""
    except FileNotFoundError:
        return []
    whole = content[: content.rfind(b"\n") + 1].decode("utf-8", "replace")
    found = []
    for line in whole.splitlines():  # each by itself: a quote that is not closed is one row's
        with contextlib.suppress(ValueError, csv.Error):
            step, name, value = next(csv.reader([line]), [])
            found.append(Point(int(step), name, float(value)))
    names = grouped_all(dict.fromkeys(point.name for point in found))  # of before there were groups
    return [point if names[point.name] == point.name else replace(point, name=names[point.name]) for point in found]


def _text(points: list[Point], *, head: bool = False) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if head:
        writer.writerow(HEAD)
    writer.writerows((p.step, p.name, repr(p.value) if math.isfinite(p.value) else str(p.value)) for p in points)
    return out.getvalue()
