"""What came of runs: a table, and each figure with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ...evaluation.registry import bounds_of, score_text
from ...evaluation.spread import Spread
from ...report.page import Html, Interval, Plot, Section, element, intervals, table
from ...track import Comparison, more_is_better
from .entries import COLOURED, Entry
from .words import figure, is_judged, named, title_of

__all__ = ["figure_plot", "judged_metrics", "measured", "results"]

DRAWN = 4  # figures with a plot of their own
COLUMNS = 8  # figures in the table
ROWS = 40  # of entries in a plot

INTERVAL = (
    "Each figure is the last one of a run. Of runs that differ in their seed alone it is their mean, with half of its "
    "95 % interval (Student's t over the seeds)."
)


def results(entries: Sequence[Entry], found: Comparison) -> Section:
    """The section of a comparison."""
    metrics = judged_metrics(entries)
    if not metrics:
        metrics = [name for name in ("loss",) if any(entry.values(name) for entry in entries)]
    if not metrics:
        return Section("results", "Results", ["None of these runs has measured a figure yet.", *measured(found)])
    head = ["runs", *(title_of(metric) for metric in metrics[:COLUMNS]), "seeds"]
    rows = [
        [named(entry), *(figure(m, entry.spread(m)) for m in metrics[:COLUMNS]), ", ".join(r.seed for r in entry.runs)]
        for entry in entries
    ]
    numbers = range(1, len(head) - 1)
    plots = [figure_plot(metric, entries) for metric in metrics[:DRAWN]]
    shown = table(head, rows, "figures of each run", numbers=numbers, seen=False)
    order = [f"They stand in the order of {title_of(metrics[0])}, the best first."] if len(entries) > COLOURED else []
    return Section("results", "Results", [INTERVAL, *order, shown, plots, *measured(found)])


def judged_metrics(entries: Sequence[Entry]) -> list[str]:
    """What evaluations have measured, in the order of the runs."""
    names = dict.fromkeys(name for entry in entries for run in entry.runs for name in run.found.metrics)
    return [name for name in names if is_judged(name) and any(entry.values(name) for entry in entries)]


def ranked(entries: Sequence[Entry]) -> list[Entry]:
    """As they are; where they are more than have a colour, those whose first figure is the best come first."""
    metric = next(iter(judged_metrics(entries)), None)
    if len(entries) <= COLOURED or metric is None:
        return list(entries)
    more = next(
        (known for entry in entries if (known := more_is_better(metric, entry.runs[0].found.tags)) is not None), True
    )

    def rank(entry: Entry) -> float:
        spread = entry.spread(metric)
        return math.inf if spread is None else -spread.mean if more else spread.mean

    return [
        replace(entry, number=number if number < COLOURED else None)
        for number, entry in enumerate(sorted(entries, key=rank))
    ]


def figure_plot(metric: str, entries: Sequence[Entry], values: Sequence[Sequence[float]] | None = None) -> Plot:
    """A figure of all entries. values: of each; default: those that its runs have measured last."""
    of = [entry.values(metric) for entry in entries] if values is None else values
    rows = [_interval(entry, metric, each) for entry, each in zip(entries, of, strict=True) if each][:ROWS]
    share = metric_is_share(metric, [value for each in of for value in each])
    said = "; ".join(f"{row.name} {row.mean:.4g}" for row in rows[:6])
    left = f", the first {ROWS} of {len(entries)}" if len(rows) < len(entries) and len(rows) == ROWS else ""
    how = ", mean and 95 % interval" if any(row.low is not None for row in rows) else ""
    title = f"{title_of(metric)}{how}{left}"
    return intervals(f"figure-{_plain(metric)}", title, f"{title_of(metric)}: {said}", rows, percent=share)


def _interval(entry: Entry, metric: str, values: Sequence[float]) -> Interval:
    spread = Spread.of(values, bounds_of(metric))
    low, high = spread.interval or (None, None)
    return Interval(entry.name, spread.mean, low, high, values, entry.number)


def metric_is_share(metric: str, values: Sequence[float]) -> bool:
    """Whether a figure is read in percent."""
    return (
        bounds_of(metric) == (0.0, 1.0) and score_text(metric, 0.5).endswith("%") and all(0 <= v <= 1 for v in values)
    )


def _plain(metric: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in metric)


def measured(found: Comparison) -> list[Html]:
    """All that the runs have measured, folded away."""
    rows = [
        [row.name, *(_last_and_best(last, best) for last, best in zip(row.last, row.best, strict=True))]
        for row in sorted(found.metrics, key=lambda row: row.name)
    ]
    if not rows:
        return []
    head = ["metric: last (best)", *(run.name for run in found.runs)]
    inner = table(head, rows, "all that was measured", numbers=range(1, len(head)), seen=False)
    return [element("details", element("summary", "all that was measured, run by run"), inner)]


def _last_and_best(last: float | None, best: float | None) -> str:
    if last is None or math.isnan(last):
        return "-" if last is None else "nan"
    return f"{last:.5g}" if best is None else f"{last:.5g} ({best:.5g})"
