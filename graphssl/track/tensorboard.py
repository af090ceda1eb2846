"""A run's metrics and pictures as TensorBoard shows them, in a folder of the run's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from .rows import Point
from .sink import Status

__all__ = ["TensorBoard", "add_points"]


class TensorBoard:
    """Writes event files; `tensorboard --logdir runs` shows them.

    start: the step after which the training begins or goes on: what was written beyond it is hidden, as it is trained
    again. before: the points up to there, which are in the file, or, where the run had no such files, come into it now.
    warn: told once where nothing can be written; the training goes on without.
    """

    def __init__(self, folder: Path, start: int, before: Collection[Point], warn: Callable[[str], None]) -> None:
        self._folder, self._warn = folder, warn
        self._writer: Any = None
        self._begun = False
        self._known = {(point.step, point.name) for point in before if point.step == start}
        with self._telling():
            from torch.utils.tensorboard import SummaryWriter

            there = next(folder.glob("events.out.*"), None) is not None
            self._begun = there and start > 0
            self._writer = SummaryWriter(str(folder), purge_step=(start + 1 if start else 0) if there else None)
            for point in () if self._begun else before:
                self._writer.add_scalar(point.name, point.value, point.step)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Logs metrics; what is there of the step at which it began is not logged again."""
        with self._telling():
            for name, value in values.items() if self._writer is not None else ():
                if (step, name) not in self._known:
                    self._writer.add_scalar(name, float(value), step)
            self._flush()

    def text(self, content: str, artifact: str) -> None:
        """Shown as it stands, once."""
        with self._telling():
            if self._writer is not None and not self._begun:
                self._writer.add_text(artifact, "".join(f"    {line}\n" for line in content.splitlines()))

    def file(self, path: str | Path, artifact_folder: str = "") -> None:
        """Pictures are shown, once; other files are in the run's folder as it is."""
        with self._telling():
            if self._writer is not None and not self._begun and Path(path).suffix == ".png":
                self._writer.add_image(Path(path).stem, _pixels(Path(path)), dataformats="HWC")
                self._flush()

    def finish(self, status: Status, timeout: float = 60.0) -> list[str]:
        """Closes the file."""
        with self._telling():
            self._close()
        return []

    def _flush(self) -> None:
        """At once: what a process that is killed has logged is there."""
        if self._writer is not None:
            self._writer.flush()

    def _close(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of files, and what the library's thread has met
            self._warn(f"warning: {self._folder} cannot be written ({error}); TensorBoard gets nothing from here on")
            with contextlib.suppress(Exception):
                self._close()


def add_points(folder: Path, points: Collection[Point], warn: Callable[[str], None]) -> None:
    """Adds points to what is shown of a run that has ended."""
    board = TensorBoard(folder, max((point.step for point in points), default=0), [], warn)
    for point in points:
        board.metrics({point.name: point.value}, point.step)
    board.finish("FINISHED")


def _pixels(path: Path) -> Any:
    import numpy
    from PIL import Image

    with Image.open(path) as picture:
        return numpy.asarray(picture.convert("RGB"))
