"""Progress in a notebook: under the cell a table of how the training stands and its curves, drawn anew in place."""

from __future__ import annotations

import html
import io
import math
import sys
import time
from collections import deque
from typing import Any

from ..console import ipython
from ..errors import escaped
from .progress_state import State

__all__ = ["Cell", "in_notebook"]

SOONEST = 1.0  # seconds between two drawings
SHARE = 30  # of the time at most one such part is spent on drawing
POINTS = 2_000  # of a curve that are kept: when there are more, every other one is
INK, LOSS = "#777777", "#3f6fb5"  # legible on light and on dark


def in_notebook() -> bool:
    """Whether what is printed stands under a notebook's cell."""
    return getattr(ipython(), "kernel", None) is not None and type(sys.stdout).__module__.startswith("ipykernel")


class Cell:
    """A view of the training. seconds: the time between two looks, by how long it takes to draw."""

    seconds = SOONEST

    def __init__(self) -> None:
        self._handle: Any = None
        self._losses: deque[tuple[int, float]] = deque()
        self._every = 1  # of the looks that are kept
        self._looks = 0
        self._figures: dict[str, list[tuple[int, float]]] = {}

    def start(self) -> None:
        from IPython.display import HTML, display

        self._handle = display(HTML(""), display_id=True)

    def stop(self) -> None: ...

    def say(self, text: str) -> None:
        print(text)

    def show(self, state: State) -> None:
        """Draws it. What is shown when the training ends stays."""
        from IPython.display import HTML

        began = time.monotonic()
        self._keep(state)
        if self._handle is not None:
            self._handle.update(HTML(table_of(state) + curves_of(list(self._losses), self._figures)))
        self.seconds = max(SOONEST, SHARE * (time.monotonic() - began))

    def _keep(self, state: State) -> None:
        for name, value in state.values.items():
            points = self._figures.setdefault(name, [])
            if "/" not in name and (not points or points[-1][1] != value):  # the last of each stays in `values`
                points.append((state.step, value))
        if math.isnan(state.loss) or (self._losses and self._losses[-1][1] == state.loss):  # not measured since
            return
        if self._looks % self._every == 0:
            self._losses.append((state.step, state.loss))
        self._looks += 1
        if len(self._losses) > POINTS:
            self._losses = deque(list(self._losses)[::2])
            self._every *= 2


def table_of(state: State) -> str:
    """How it stands, as a table of HTML."""
    cells = {"epoch": f"{state.epoch} / {state.epochs}", "step": f"{state.step:,} / {state.steps:,}"}
    cells |= {} if math.isnan(state.loss) else {"loss": f"{state.loss:.4f}"}
    cells |= {escaped(name): f"{value:.4g}" for name, value in state.values.items()}
    cells |= {} if math.isnan(state.speed) else {"images/s": f"{state.speed:,.0f}"}
    cells["left"] = state.left(time.monotonic()) or "-"
    head = "".join(f"<th>{html.escape(name)}</th>" for name in cells)
    row = "".join(f"<td>{html.escape(value)}</td>" for value in cells.values())
    return f"<table><thead><tr>{head}</tr></thead><tbody><tr>{row}</tr></tbody></table>"


def curves_of(losses: list[tuple[int, float]], figures: dict[str, list[tuple[int, float]]]) -> str:
    """The loss, and beside it what is measured between epochs, as SVG; empty where there is nothing yet."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    measured = {name: points for name, points in figures.items() if points}
    if not losses and not measured:
        return ""
    figure = Figure(figsize=(8, 2.4), layout="constrained")
    axes = figure.subplots(1, 1 + bool(measured), squeeze=False)[0]
    axes[0].plot(*zip(*losses, strict=True) if losses else ((), ()), color=LOSS)
    axes[0].set_title("loss")
    for name, points in measured.items():
        axes[-1].plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
    if measured:
        axes[-1].legend(frameon=False, labelcolor=INK)
    for one in axes:
        _plain(one)
    out = io.StringIO()
    FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    return out.getvalue()[out.getvalue().index("<svg") :]


def _plain(axes: Any) -> None:
    """Legible on light and on dark, over whatever the notebook's background is."""
    axes.set_xlabel("step", color=INK)
    axes.title.set_color(INK)
    axes.tick_params(colors=INK)
    axes.patch.set_alpha(0)
    axes.figure.patch.set_alpha(0)
    for side, line in axes.spines.items():
        line.set_visible(side in ("left", "bottom"))
        line.set_color(INK)
