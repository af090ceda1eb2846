"""What `graphssl compare` prints."""

from __future__ import annotations

from ..track import Comparison
from .table import table

__all__ = ["comparison_text"]

WIDEST = 48  # characters of a value


def comparison_text(comparison: Comparison) -> str:
    """Runs side by side: the parameters that differ, then the metrics, last and best."""
    names = [run.name for run in comparison.runs]
    params = [[key, *(_clipped(v) for v in row)] for key, row in comparison.params.items()]
    metrics = [
        [row.name, *(_last_and_best(last, best) for last, best in zip(row.last, row.best, strict=True))]
        for row in sorted(comparison.metrics, key=lambda row: row.name)
    ]
    blocks = [
        table([["what differs", *names], *params]) if params else "The graphs are the same.",
        table([["metric: last (best)", *names], *metrics]) if metrics else "No metrics were logged.",
    ]
    return "\n\n".join(blocks)


def _clipped(value: str | None) -> str:
    text = "-" if value is None else value
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _last_and_best(last: float | None, best: float | None) -> str:
    if last is None:
        return "-"
    return f"{last:.5g}" if best is None else f"{last:.5g} ({best:.5g})"
