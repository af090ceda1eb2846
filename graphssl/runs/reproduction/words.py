"""How figures of a reproduction read: ours with its interval, beside what was published."""

from __future__ import annotations

from collections.abc import Mapping

from ...evaluation.registry import metric_title
from ...evaluation.spread import Spread
from .ledger import Entry, spreads_of
from .spec import Figure, Reproduction

__all__ = ["HEAD", "figure_rows", "mean_text", "published_text", "ratio_of"]

HEAD = ["figure", "published", "ours", "95 % interval", "seeds", "ours less published"]


def figure_rows(spec: Reproduction, seeds: Mapping[str, Entry], who: str = "") -> list[list[str]]:
    """A row for each figure, of the columns `HEAD`. who: whose they are, where they are not ours."""
    spreads, rows = spreads_of(spec, seeds), []
    for metric, figure in spec.figures.items():
        spread = spreads.get(metric)
        interval = "-" if spread is None or spread.interval is None else "{:.2f} to {:.2f}".format(*spread.interval)
        difference = "-"
        if spread is not None and figure.published is not None:
            difference = f"{spread.mean - figure.published.value:+.2f}"
            if spread.interval is not None:
                low, high = spread.interval
                within = low <= figure.published.value <= high
                difference += ", within the interval" if within else ", outside the interval"
        name = title_of(metric, figure) + (f", {who}" if who else "")
        ours = "-" if spread is None else f"{spread.mean:.2f}"
        rows.append([name, "-" if who else published_text(figure), ours, interval, f"{len(seeds)}", difference])
    return rows


def title_of(metric: str, figure: Figure) -> str:
    """`kNN accuracy, %, best epoch`."""
    unit = ", %" if figure.unit == "%" else ""
    return f"{metric_title(metric, quantity=True)}{unit}{', best epoch' if figure.epoch == 'best' else ''}"


def published_text(figure: Figure) -> str:
    return "-" if figure.published is None else f"{figure.published.value:g}"


def mean_text(spread: Spread | None) -> str:
    """`71.20 ± 0.85`, with half the interval where there are several seeds."""
    if spread is None:
        return "-"
    half = "" if spread.interval is None else f" ± {spread.interval[1] - spread.mean:.2f}"
    return f"{spread.mean:.2f}{half}"


def ratio_of(ours: Mapping[str, Entry], theirs: Mapping[str, Entry]) -> float | None:
    """How many times as long the other code has trained: the median over the seeds that both have."""
    import statistics

    pairs = [(ours[seed].seconds, theirs[seed].seconds) for seed in ours if seed in theirs]
    found = [other / own for own, other in pairs if own and other]
    return statistics.median(found) if found else None
