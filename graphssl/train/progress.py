"""Progress while training: a live line on a terminal, plain `key=value` lines anywhere else.

Showing never stops a run: when nobody reads any more (`graphssl run ... | head`), the output ends and training goes on.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from ..console import discard, printable, write_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

__all__ = ["Progress"]

LIVE_SECONDS, PLAIN_SECONDS = 0.2, 10.0
NARROWEST_BAR, WIDEST_BAR = 8, 40


class _View(Protocol):
    """Where progress is shown. seconds: the time between two looks at it."""

    seconds: float

    def start(self) -> None: ...
    def show(self, state: _State) -> None: ...
    def say(self, text: str) -> None: ...
    def stop(self) -> None: ...


class _State:
    """What is known: the step, and the last loss, rate, speed and evaluation."""

    def __init__(self, epochs: int, steps_per_epoch: int, step: int, steps: int) -> None:
        self.epochs, self.steps_per_epoch, self.step, self.steps = epochs, steps_per_epoch, step, steps
        self.loss = self.rate = self.speed = math.nan
        self.values: dict[str, float] = {}
        self._began: tuple[float, int] | None = None

    def advance(self, step: int, now: float) -> None:
        self.step = step
        # The first step is left out of the pace: it may have compiled the graph.
        self._began = self._began or (now, step)

    @property
    def epoch(self) -> int:
        """The epoch of the last step, from 1."""
        return min(max(self.step - 1, 0) // self.steps_per_epoch + 1, self.epochs)

    def left(self, now: float) -> str:
        """The time left at the pace so far, h:mm:ss; empty while there is no pace."""
        if self._began is None or self.step <= self._began[1]:
            return ""
        began, first = self._began
        seconds = round((now - began) / (self.step - first) * max(self.steps - self.step, 0))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


class Progress:
    """Shows how training goes; a context manager.

    start_step: steps done already, by the run that is resumed. steps: of the whole training, when it ends within an
    epoch. console: where to show it; default stdout.
    """

    def __init__(
        self, epochs: int, steps_per_epoch: int, start_step: int = 0, console: Console | None = None,
        *, steps: int | None = None,
    ) -> None:  # fmt: skip
        self._state = _State(epochs, steps_per_epoch, start_step, steps or epochs * steps_per_epoch)
        self._view = _view(console)
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
        self._guard(self._view.say, printable(text))

    def epoch_end(self, epoch: int, values: Mapping[str, float]) -> None:
        """Evaluations after `epoch` epochs, such as `{"knn": 0.912}`; the last of each stays shown."""
        self._state.values.update(values)
        if values:
            self.message(" ".join([f"epoch={epoch}/{self._state.epochs}", *_pairs(values)]))
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


class _Lines:
    """Lines of `key=value`, for files, pipes and dumb terminals."""

    seconds = PLAIN_SECONDS

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self._shown = -1

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def show(self, state: _State) -> None:
        if state.step == self._shown:
            return
        self._shown = state.step
        measured = {"loss": state.loss, "lr": state.rate, "images_per_second": state.speed}
        where = [f"epoch={state.epoch}/{state.epochs}", f"step={state.step}/{state.steps}"]
        left = state.left(time.monotonic()) or "-"
        self.say(" ".join([*where, *_pairs(measured), f"left={left}"]))

    def say(self, text: str) -> None:
        write_line(text, self._console.file if self._console else sys.stdout)


class _Line:
    """One line that is redrawn in place, by rich. It has no thread: it is drawn when training says so."""

    seconds = LIVE_SECONDS

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state: _State | None = None
        self._live: Live | None = None

    def start(self) -> None:
        from rich.live import Live

        self._live = Live(console=self._console, auto_refresh=False, get_renderable=self._draw)
        self._live.start()

    def stop(self) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, state: _State) -> None:
        self._state = state
        if self._live is not None:
            self._live.refresh()

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _draw(self) -> Table | str:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if self._state is None:
            return ""
        width = self._console.width - 1
        text, rest = _fitted(_fields(self._state), width)
        line = Table.grid(padding=(0, 1))
        line.add_column(no_wrap=True, overflow="ellipsis")
        if rest < NARROWEST_BAR:
            line.add_row(Text(text))
        else:
            bar = ProgressBar(self._state.steps, self._state.step, width=min(rest, WIDEST_BAR))
            line.add_row(bar, Text(text))
        return line


def _view(console: Console | None) -> _View:
    if console is None:
        if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
            return _Lines(None)
        from rich.console import Console as TerminalConsole

        console = TerminalConsole()
    live = console.is_terminal and not console.is_dumb_terminal
    return _Line(console) if live else _Lines(console)


def _fields(state: _State) -> list[str]:
    """What the live line says, the most important first."""
    left = state.left(time.monotonic())
    fields = [f"epoch {state.epoch}/{state.epochs}", f"step {state.step}/{state.steps}"]
    fields += [f"loss {state.loss:.4f}"] if not math.isnan(state.loss) else []
    fields += [f"{left} left"] if left else []
    fields += [f"{name} {value:.4g}" for name, value in state.values.items()]
    fields += [f"{state.speed:,.0f} images/s"] if not math.isnan(state.speed) else []
    fields += [f"lr {state.rate:.3g}"] if not math.isnan(state.rate) else []
    return fields


def _fitted(fields: list[str], width: int) -> tuple[str, int]:
    """As many of the fields as fit beside a bar, at least the first, and the columns that are left for the bar."""
    text = fields[0]
    for field in fields[1:]:
        if len(text) + 2 + len(field) + 1 + NARROWEST_BAR > width:
            break
        text += "  " + field
    return text, width - len(text) - 1


def _pairs(values: Mapping[str, float]) -> list[str]:
    return [f"{k}={'-' if math.isnan(v) else format(v, '.5g')}" for k, v in values.items()]
