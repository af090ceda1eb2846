"""Progress while training: what is told of it, and when it is shown.

Showing never stops a run: when nobody reads any more (`graphssl run ... | head`), the output ends and training goes on.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..console import discard
from ..errors import told
from .display import View, pairs, view_on
from .progress_state import State

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Progress"]


class Progress:
    """Shows how training goes; a context manager.

    start_step: steps done already, by the run that is resumed. steps: of the whole training, when it ends within an
    epoch. console: where to show it; default stdout. view: shows it instead.
    """

    def __init__(
        self, epochs: int, steps_per_epoch: int, start_step: int = 0, console: Console | None = None,
        *, steps: int | None = None, view: View | None = None,
    ) -> None:  # fmt: skip
        self._state = State(epochs, steps_per_epoch, start_step, steps or epochs * steps_per_epoch)
        self._view = view or view_on(console)
        self._next = 0.0
        self._open, self._on_stdout = True, console is None

    def __enter__(self) -> Progress:
        self._guard(self._view.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guard(self._view.stop)

    def update(self, step: int, loss: float | None, rate: float, images_per_second: float | None) -> None:
        """After `step` steps. None stands for not measured at this step; the last value stays shown."""
        state, now = self._state, time.monotonic()
        first = loss is not None and math.isnan(state.loss)
        state.advance(step, now)
        state.rate = rate
        state.loss = state.loss if loss is None else loss
        state.speed = state.speed if images_per_second is None else images_per_second
        if first or now >= self._next or step >= state.steps:
            self._show(now)

    def message(self, text: str) -> None:
        """A line of its own, above the live line: an evaluation, a warning."""
        self._guard(self._view.say, told(text))

    def epoch_end(self, epoch: int, values: Mapping[str, float]) -> None:
        """Evaluations after `epoch` epochs, such as `{"knn": 0.912}`; the last of each stays shown."""
        self._state.values.update(values)
        if values:
            self.message(" ".join([f"epoch={epoch}/{self._state.epochs}", *pairs(values)]))
        self._show(time.monotonic())

    def _show(self, now: float) -> None:
        self._next = now + self._view.seconds
        self._guard(self._view.show, self._state)

    def _guard(self, act: Any, *args: Any) -> None:
        """Runs an output; when it fails there is no reader, and nothing is shown from then on."""
        if not self._open:
            return
        try:
            act(*args)
        except (OSError, SystemExit, ValueError):  # rich exits when a pipe breaks; ValueError: the file is closed
            self._open = False
            if self._on_stdout:
                discard(sys.stdout)
