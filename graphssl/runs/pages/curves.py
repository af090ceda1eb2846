"""The curves of runs, from their metrics: a plot for each metric, of several seeds with their mean."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ...report.page import Line, Plot, Section, curves, table
from ...track import Point
from ...track.grouped import LOSS, grouped, short
from .entries import Entry
from .subject import Subject
from .words import named, title_of

__all__ = ["curve_section", "thinned"]

PLOTS = 16
POINTS, LEAST, BUDGET = 400, 24, 120_000  # of a curve, at least, and of all curves of a page
GROUPS = ("eval", "loss", "mi", "collapse", "train", "system")  # in the order in which they are drawn


def curve_section(entries: Sequence[Entry]) -> Section:
    """The section, with a word of what is not drawn."""
    metrics = _metrics(entries)
    if not metrics:
        return Section("curves", "Curves", ["None of these runs has a curve: there are no metrics to draw."])
    lines = len(metrics[:PLOTS]) * sum(len(entry.runs) + 1 for entry in entries)
    each = max(LEAST, min(POINTS, BUDGET // max(lines, 1)))
    plots = [_plot(i, metric, entries, each) for i, metric in enumerate(metrics[:PLOTS])]
    said = [
        "Draw a rectangle to zoom in, double-click to zoom out. A click in a legend hides or shows a curve, a double "
        "click shows it alone."
    ]
    if any(len(entry.runs) > 1 for entry in entries):
        said.append("Of several seeds the thick line is the mean, and each thin one a run.")
    if len(metrics) > PLOTS:
        said.append(f"Not drawn, and in each run's metrics.csv: {', '.join(metrics[PLOTS:])}.")
    return Section("curves", "Curves", [*said, plots])


def _metrics(entries: Sequence[Entry]) -> list[str]:
    """Those with several points, by their groups."""
    counts: dict[str, int] = {}
    for entry in entries:
        for run in entry.runs:
            for point in run.points:
                counts[point.name] = counts.get(point.name, 0) + 1
    runs = [run for entry in entries for run in entry.runs]
    names = sorted((name for name, count in counts.items() if count > 1), key=_rank)
    return [name for name in names if not _is_whole_loss(name, runs)]


def _is_whole_loss(name: str, runs: Sequence[Subject]) -> bool:
    """Whether it is the only term of the loss, in all runs that have it."""
    whole = short(LOSS)
    if name == whole or not name.startswith(f"{whole}/"):
        return False
    each = [(run.history(name), run.history(whole)) for run in runs]
    return all([p.value for p in term] == [p.value for p in loss] for term, loss in each if term)


def _rank(name: str) -> tuple[int, str]:
    """By the group that a metric is of; first the whole loss."""
    group = grouped(name).partition("/")[0]
    return (-1 if name == short(LOSS) else GROUPS.index(group) if group in GROUPS else len(GROUPS)), name


def _plot(number: int, metric: str, entries: Sequence[Entry], most: int) -> Plot:
    lines: list[Line] = []
    rows = []
    for entry in reversed(entries):  # the first ones lie on top
        histories = [(run.name, run.history(metric)) for run in entry.runs]
        histories = [(name, points) for name, points in histories if points]
        mean = _mean([points for _, points in histories]) if len(histories) > 1 else []
        for name, points in histories:
            lines.append(_line(entry, name, thinned(points, most), thin=bool(mean)))
        if mean:
            lines.append(_line(entry, "mean", thinned(mean, most)))
    for entry in entries:
        values = [run.history(metric)[-1].value for run in entry.runs if run.history(metric)]
        if values:
            steps = max(run.history(metric)[-1].step for run in entry.runs if run.history(metric))
            rows.append([named(entry), f"{statistics.fmean(values):.5g}", f"{min(values):.5g}", f"{max(values):.5g}",
                         f"{steps:,}"])  # fmt: skip
    told = table(["runs", "last, mean", "least", "greatest", "step"], rows, f"{metric}: last values",
                 numbers=(1, 2, 3, 4))  # fmt: skip
    title = title_of(metric)
    label = f"curves of {title} over optimizer steps, of {len(entries)} entries; the last values are in the table"
    return curves(f"curve-{number}", title, label, _in_order(lines, entries), "step", table=told)


def _in_order(lines: Sequence[Line], entries: Sequence[Entry]) -> list[Line]:
    """So that the legend has the entries' order: what is drawn first lies below, and is named first."""
    place = {entry.group: i for i, entry in reversed(list(enumerate(entries)))}
    return sorted(lines, key=lambda line: (line.number is not None, place[line.group], not line.thin))


def _line(entry: Entry, name: str, points: Sequence[Point], *, thin: bool = False) -> Line:
    x, y = [point.step for point in points], [point.value for point in points]
    said = entry.name if name == "mean" else name
    return Line(entry.group, x, y, entry.number, said, thin or entry.number is None)


def _mean(histories: Sequence[Sequence[Point]]) -> list[Point]:
    """At the steps that all have."""
    by_step = [{point.step: point.value for point in points} for points in histories]
    steps = sorted(set.intersection(*(set(one) for one in by_step)))
    name = histories[0][0].name
    return [Point(step, name, statistics.fmean(one[step] for one in by_step)) for step in steps]


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """So many points at most, spread evenly over their number, with the first and the last."""
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]
