"""Where progress is shown: a live line on a terminal, curves in a notebook, plain `key=value` lines anywhere else."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from ..console import QUIET, write_line
from ..errors import escaped
from .cell import Cell, in_notebook
from .progress_state import State

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

__all__ = ["NARROWEST_BAR", "View", "fields_of", "fit", "pairs", "view_on"]

LIVE_SECONDS, PLAIN_SECONDS = 0.2, 10.0
NARROWEST_BAR, WIDEST_BAR = 8, 40


class View(Protocol):
    """Where progress is shown. seconds: the time between two looks at it."""

    seconds: float

    def start(self) -> None: ...
    def show(self, state: State) -> None: ...
    def say(self, text: str) -> None: ...
    def stop(self) -> None: ...


def view_on(console: Console | None) -> View:
    """What suits a console, or stdout where none is given."""
    if os.environ.get(QUIET):
        return Warnings(console)
    if console is None and in_notebook():
        return Cell()
    if console is None:
        if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
            return Lines(None)
        from rich.console import Console as TerminalConsole

        console = TerminalConsole()
    live = console.is_terminal and not console.is_dumb_terminal
    return LiveLine(console) if live else Lines(console)


class Lines:
    """Lines of `key=value`, for files, pipes and dumb terminals."""

    seconds = PLAIN_SECONDS

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self._shown = -1

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def show(self, state: State) -> None:
        if state.step == self._shown:
            return
        self._shown = state.step
        measured = {"loss": state.loss, "lr": state.rate, "images_per_second": state.speed}
        where = [f"epoch={state.epoch}/{state.epochs}", f"step={state.step}/{state.steps}"]
        left = state.left(time.monotonic()) or "-"
        self.say(" ".join([*where, *pairs(measured), f"left={left}"]))

    def say(self, text: str) -> None:
        write_line(text, self._console.file if self._console else sys.stdout)


class Warnings(Lines):
    """Of what is said, what to warn of."""

    def show(self, state: State) -> None: ...

    def say(self, text: str) -> None:
        if text.startswith("warning: "):
            super().say(text)


def pairs(values: Mapping[str, float]) -> list[str]:
    """Numbers as plain lines have them."""
    return [f"{k}={'-' if math.isnan(v) else format(v, '.5g')}" for k, v in values.items()]


class LiveLine:
    """One line that is redrawn in place, by rich. It has no thread: it is drawn when training says so."""

    seconds = LIVE_SECONDS

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state: State | None = None
        self._live: Live | None = None

    def start(self) -> None:
        from rich.live import Live

        self._live = Live(console=self._console, auto_refresh=False, get_renderable=self._draw)
        self._live.start()

    def stop(self) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, state: State) -> None:
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
        text, rest = fit(fields_of(self._state), width)
        line = Table.grid(padding=(0, 1))
        line.add_column(no_wrap=True, overflow="ellipsis")
        if rest < NARROWEST_BAR:
            line.add_row(Text(text))
        else:
            bar = ProgressBar(self._state.steps, self._state.step, width=min(rest, WIDEST_BAR))
            line.add_row(bar, Text(text))
        return line


def fields_of(state: State) -> list[str]:
    """What the live line says, the most important first."""
    left = state.left(time.monotonic())
    fields = [f"epoch {state.epoch}/{state.epochs}", f"step {state.step}/{state.steps}"]
    fields += [f"loss {state.loss:.4f}"] if not math.isnan(state.loss) else []
    fields += [f"{left} left"] if left else []
    fields += [f"{escaped(name)} {value:.4g}" for name, value in state.values.items()]
    fields += [f"{state.speed:,.0f} images/s"] if not math.isnan(state.speed) else []
    fields += [f"lr {state.rate:.3g}"] if not math.isnan(state.rate) else []
    return fields


def fit(fields: list[str], width: int) -> tuple[str, int]:
    """As many of the fields as fit beside a bar, at least the first, and the columns that are left for the bar."""
    text = fields[0]
    for field in fields[1:]:
        if len(text) + 2 + len(field) + 1 + NARROWEST_BAR > width:
            break
        text += "  " + field
    return text, width - len(text) - 1
