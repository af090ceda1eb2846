"""The kinds of plots that pages have: curves, figures with intervals, parallel coordinates, maps of points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .html import Html
from .plotly import LEGEND, LINE, Plot, plain
from .style import OTHER, color, dash

__all__ = ["Axis", "Cloud", "Interval", "Line", "clouds", "curves", "intervals", "parallel"]

LONGEST = 30  # characters of a name in a plot
ROW = 22  # px of a line of the legend, or of a name beside a plot
NARROW = 330  # px that a phone leaves for a plot
TICKS = 7  # single values that an axis names
MOST_ROWS = 7  # of the legend; more scroll


def short(text: str, most: int = LONGEST) -> str:
    """A text that fits beside a plot, with its middle left out where it is long; no markup to Plotly."""
    kept = (most - 1) // 2
    return plain(text if len(text) <= most else f"{text[: most - 1 - kept]}…{text[-kept:]}")


@dataclass(frozen=True)
class Line:
    """A curve. group: what its legend says, once for all lines of a group, which show and hide together. number: by
    which it has its colour; None: grey. thin: one of several that stand behind their mean."""

    group: str
    x: Sequence[float]
    y: Sequence[float]
    number: int | None = 0
    name: str = ""
    thin: bool = False


def curves(
    name: str, title: str, label: str, lines: Sequence[Line], x: str, *, log: bool = False, table: Html | None = None
) -> Plot:  # fmt: skip
    """Curves over a common axis, which zoom. log: whether the values are shown by their logarithm."""
    shown = {line.group: i for i, line in reversed(list(enumerate(lines))) if not line.thin}  # which the legend shows
    shown = {**{line.group: i for i, line in reversed(list(enumerate(lines)))}, **shown}
    traces = []
    for i, line in enumerate(lines):
        traces.append(
            {
                "type": "scatter", "mode": "lines" if len(line.x) > 1 else "markers", "x": _numbers(line.x),
                "y": _numbers(line.y), "name": short(line.group), "legendgroup": plain(line.group),
                "showlegend": shown[line.group] == i, "opacity": 0.45 if line.thin else 1,
                "line": {"color": color(line.number), "width": 1.3 if line.thin else 2, "dash": dash(line.number)},
                "marker": {"color": color(line.number)},
                "text": short(line.name or line.group), "hovertemplate": "%{text}<br>%{x}: %{y:.5g}<extra></extra>",
            }
        )  # fmt: skip
    rows = _legend_rows(list(shown))
    layout = {
        "xaxis": {**_axis(x), "zeroline": False},
        "yaxis": {**_axis(""), "exponentformat": "e", **({"type": "log"} if log else {})},
        "showlegend": len(shown) > 1, "margin": {"l": 56, "r": 12, "t": 28, "b": 40},
    }  # fmt: skip
    return Plot(name, title, label, traces, layout, 290 + rows * ROW, table)


@dataclass(frozen=True)
class Interval:
    """A figure with its interval, None of a single value, and the values that it is the mean of."""

    name: str
    mean: float
    low: float | None
    high: float | None
    values: Sequence[float]
    number: int | None = 0


def intervals(
    name: str, title: str, label: str, rows: Sequence[Interval], *, percent: bool = False, table: Html | None = None
) -> Plot:  # fmt: skip
    """A row each: the mean with its interval, behind it the single values. percent: whether they are shares."""
    names = [_distinct(i, rows) for i in range(len(rows))]
    single = [(names[i], v, row.number) for i, row in enumerate(rows) for v in row.values if len(row.values) > 1]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "markers", "x": _numbers([v for _, v, _ in single]),
            "y": [name for name, _, _ in single],
            "marker": {"color": [color(c) for _, _, c in single], "size": 7, "symbol": "line-ns-open", "opacity": 0.75},
            "hovertemplate": "a run: %{x}<extra></extra>", "showlegend": False,
        },
    ]  # fmt: skip
    for row, said in zip(rows, names, strict=True):
        error = {
            "type": "data", "symmetric": False, "array": [row.high - row.mean], "arrayminus": [row.mean - row.low],
            "color": color(row.number), "thickness": 2, "width": 5,
        } if row.low is not None and row.high is not None else None  # fmt: skip
        traces.append(
            {
                "type": "scatter", "mode": "markers", "x": _numbers([row.mean]), "y": [said], "error_x": error,
                "marker": {"color": color(row.number), "size": 10}, "showlegend": False,
                "hovertemplate": "mean: %{x}<extra></extra>",
            }
        )  # fmt: skip
    layout = {
        "xaxis": {**_axis(""), "zeroline": False, "range": _around(rows),
                  **({"tickformat": ".4~p"} if percent else {})},
        "yaxis": {**_axis(""), "type": "category", "categoryorder": "array", "categoryarray": names[::-1],
                  "automargin": True, "range": [-0.7, len(rows) - 0.3]},
        "margin": {"l": 10, "r": 16, "t": 28, "b": 36},
    }  # fmt: skip
    return Plot(name, title, label, traces, layout, 96 + max(len(rows), 2) * (ROW + 4), table)


def _around(rows: Sequence[Interval]) -> list[float]:
    """What an axis shows: all of it, and of values that are as good as equal no more than there is to tell."""
    ends = [v for row in rows for v in (row.mean, row.low, row.high, *row.values) if v is not None]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = max(0.06 * (high - low), 0.004 * max(abs(low), abs(high)), 1e-9)
    return [low - room, high + room]


def _distinct(i: int, rows: Sequence[Interval]) -> str:
    """The name of a row, that of two with one name being two."""
    before = sum(short(row.name, 26) == short(rows[i].name, 26) for row in rows[:i])
    return short(rows[i].name, 26) + "\u200b" * before


@dataclass(frozen=True)
class Axis:
    """Of parallel coordinates. values: numbers, of each row; or, where there are `words`, the places of these. log:
    whether they stand by their logarithms. percent: whether they are shares."""

    title: str
    values: Sequence[float]
    words: Sequence[str] = ()
    log: bool = False
    percent: bool = False


def parallel(
    name: str, title: str, label: str, axes: Sequence[Axis], by: Sequence[float], *, more: bool = True,
    table: Html | None = None,
) -> Plot:  # fmt: skip
    """A line for each row across all axes, coloured by a figure; on an axis a range can be marked.

    more: whether more of the figure is better.
    """
    trace = {
        "type": "parcoords",
        "line": {"color": _numbers(by), "colorscale": SCALE, "reversescale": not more, "showscale": False},
        "dimensions": [_dimension(axis) for axis in axes],
        "labelfont": {"size": 12}, "tickfont": {"size": 11}, "rangefont": {"size": 1}, "labelangle": -14,
        "labelside": "top",
        "unselected": {"line": {"color": OTHER, "opacity": 0.25}},
    }  # fmt: skip
    layout = {"margin": {"l": 70, "r": 60, "t": 92, "b": 24}}
    return Plot(name, title, label, [trace], layout, 380, table, {"modeBarButtons": [["toImage"]]})


SCALE = [[0, "#d9662a"], [0.5, "#a07d13"], [1, "#2f7fd0"]]  # each end is seen on light and on dark


def _dimension(axis: Axis) -> dict[str, Any]:
    """Its ticks are the values, where these are few."""
    title = axis.title
    if axis.words:
        told = {"tickvals": list(range(len(axis.words))), "ticktext": [short(word, 16) for word in axis.words]}
        return {
            "label": short(title, 24),
            "values": _numbers(axis.values),
            "range": [-0.3, len(axis.words) - 0.7],
            **told,
        }
    values = [math.log10(value) for value in axis.values] if axis.log else list(axis.values)
    known = sorted(dict(zip(values, axis.values, strict=True)).items())
    few = {"tickvals": [at for at, _ in known], "ticktext": [f"{value:.6g}" for _, value in known]}
    told = few if len(known) <= TICKS and not axis.percent else {"tickformat": ".4~p"} if axis.percent else {}
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.5
    title = f"log10 {title}" if axis.log and not told else title
    return {"label": short(title, 24), "values": _numbers(values), "range": [low - room, high + room], **told}


@dataclass(frozen=True)
class Cloud:
    """Points of one class. number: by which it has its colour."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    number: int | None = 0


def clouds(name: str, title: str, label: str, points: Sequence[Cloud], x: str = "", y: str = "") -> Plot:
    """A map of points, which zooms; the legend shows and hides classes."""
    traces = [
        {
            "type": "scatter", "mode": "markers", "x": _numbers(one.x), "y": _numbers(one.y),
            "name": short(one.name, 18), "text": short(one.name),
            "marker": {"color": color(one.number), "size": 5, "opacity": 0.8},
            "hovertemplate": "%{text}<extra></extra>",
        }
        for one in points
    ]  # fmt: skip
    rows = _legend_rows([short(one.name, 18) for one in points])
    axis = {"showticklabels": False, "zeroline": False, "ticks": ""}
    layout = {
        "xaxis": {**_axis(x), **axis}, "yaxis": {**_axis(y), **axis}, "showlegend": len(points) > 1,
        "margin": {"l": 30, "r": 10, "t": 28, "b": 30}, "legend": {**LEGEND, "itemsizing": "constant"},
    }  # fmt: skip
    return Plot(name, title, label, traces, layout, 350 + rows * ROW)


def _axis(title: str) -> dict[str, Any]:
    lines = {"linecolor": LINE, "tickcolor": LINE, "gridcolor": LINE}
    return {"title": {"text": plain(title)}, **lines, "automargin": True}


def _legend_rows(names: Sequence[str]) -> int:
    """Of the legend on a phone, where it takes most."""
    if len(names) < 2:
        return 0
    wide = max(len(name) for name in names)
    beside = max(1, NARROW // (46 + 7 * min(wide, LONGEST)))
    return min(math.ceil(len(names) / beside), MOST_ROWS)


def _numbers(values: Sequence[float]) -> Any:
    """As Plotly keeps them small; whole numbers stay whole."""
    found = np.asarray(values)
    if found.dtype.kind in "iu" or (found.size and np.isfinite(found).all() and (found == found.round()).all()
                                    and abs(found).max() < 2**31):  # fmt: skip
        return found.astype(np.int32)
    return found.astype(np.float32)
