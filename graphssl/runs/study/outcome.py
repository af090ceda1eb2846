"""What came of a study: a row for each cell, over its seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from ...evaluation.registry import bounds_of, metric_title, spread_text
from ...evaluation.spread import Spread
from .book import Trial
from .metric import Metric

if TYPE_CHECKING:
    import pandas

__all__ = ["Outcome", "Row", "outcome_of", "rows_csv", "rows_latex", "rows_markdown"]


PREVIOUS = "\0previous"  # in place of a label


@dataclass(frozen=True)
class Row:
    """A cell: its values, and by seed the trial that counts. best: whether no other cell's mean is better.

    difference: to the cell that others are held beside, seed by seed: the same seed is the same order of the data and,
    as far as graphs have them in common, the same first weights. Its interval is that of a paired t.
    """

    cell: str
    labels: Mapping[str, str]
    trials: Mapping[int, Trial]
    metric: Metric
    best: bool = False
    difference: Spread | None = None

    @property
    def values(self) -> dict[int, float]:
        return {seed: one.value for seed, one in self.trials.items() if one.value is not None}

    @property
    def spread(self) -> Spread | None:
        found = list(self.values.values())
        return Spread.of(found, bounds_of(self.metric.name)) if found else None

    @property
    def state(self) -> str:
        """What else there is to say of its runs."""
        states = [one.state for one in self.trials.values() if one.state != "complete"]
        return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


@dataclass(frozen=True)
class Outcome:
    """name: of the study. rows: the best first, those without figures last. base: the label of the cell that others are
    held beside: it comes first then, and what costs most after it; PREVIOUS: each beside the one before."""

    name: str
    metric: Metric
    keys: tuple[str, ...]
    rows: tuple[Row, ...]
    base: str | None = None

    @property
    def failed(self) -> list[Trial]:
        return [one for row in self.rows for one in row.trials.values() if one.state == "failed"]

    def frame(self) -> pandas.DataFrame:
        """A row for each run: what its cell has, its seed, the metric, and how it stands."""
        import pandas

        runs = [(row, seed, one) for row in self.rows for seed, one in row.trials.items()]
        said = [
            {**row.labels, "seed": seed, self.metric.name: one.value, "state": one.state, "run": one.run}
            for row, seed, one in runs
        ]
        return pandas.DataFrame(said, columns=[*self.keys, "seed", self.metric.name, "state", "run"])

    @property
    def ended(self) -> bool:
        """Whether none of its runs waits or goes on."""
        return not self.count("waiting") and not self.count("running")

    def count(self, state: str) -> int:
        return sum(one.state == state for row in self.rows for one in row.trials.values())


def outcome_of(
    name: str, metric: Metric, cells: Mapping[str, Mapping[str, str]], trials: Sequence[Trial], base: str | None = None
) -> Outcome:  # fmt: skip
    """cells: the labels of each, by digest, in their order. base: see `Outcome`."""
    found: dict[str, dict[int, Trial]] = {cell: {} for cell in cells}
    for trial in trials:  # of a cell and a seed the one that has come furthest, else the last, counts
        known = found.get(trial.cell, {}).get(trial.seed)
        if trial.cell in found and (known is None or known.state not in ("complete", "pruned")):
            found[trial.cell][trial.seed] = trial
    rows = [Row(cell, cells[cell], dict(sorted(of.items())), metric) for cell, of in found.items()]
    means = {row.cell: row.spread.mean for row in rows if row.spread is not None}
    best = metric.best(means.values()) if means else None
    rows = [replace(row, best=means.get(row.cell) == best is not None) for row in rows]
    if base is None:
        rows.sort(key=lambda row: _rank(metric, means.get(row.cell)))
    elif base == PREVIOUS:
        rows = [rows[0], *(replace(b, difference=_difference(b, a)) for a, b in pairwise(rows))]
    else:
        first = next((row for row in rows if base in row.labels.values()), rows[0])
        rows = [row if row is first else replace(row, difference=_difference(row, first)) for row in rows]
        rows.sort(
            key=lambda row: (
                row.cell != first.cell,
                _rank(metric, None if row.difference is None else -row.difference.mean),
            )
        )
    return Outcome(name, metric, tuple(next(iter(cells.values()), {})), tuple(rows), base)


def _rank(metric: Metric, value: float | None) -> tuple[bool, float]:
    """Sorts by a figure, the best first, none last."""
    return value is None, (-value if metric.more else value) if value is not None else 0.0


def _difference(row: Row, first: Row) -> Spread | None:
    shared = [seed for seed in first.values if seed in row.values]
    return Spread.of([row.values[seed] - first.values[seed] for seed in shared]) if shared else None


def figure_text(row: Row) -> str:
    """`97.31 ± 0.42 %`: the mean, and half of its 95 % interval."""
    return "-" if row.spread is None else spread_text(row.metric.name, row.spread)


def columns(outcome: Outcome, *, best: bool = True) -> list[list[str]]:
    """The table with its head, as words. best: whether the best is called so."""
    beside = outcome.base is not None
    rows = [[*outcome.keys, metric_title(outcome.metric.name), *(["difference"] if beside else []), "seeds", ""]]
    for row in outcome.rows:
        note = ", ".join(filter(None, ("best" if best and _leads(row, outcome) and not beside else "", row.state)))
        worth = row.difference
        told = "" if worth is None else spread_text(row.metric.name, worth, "+" if worth.mean >= 0 else "")
        rows.append([*row.labels.values(), figure_text(row), *([told] if beside else []), str(len(row.values)), note])
    return rows if any(row[-1] for row in rows) else [row[:-1] for row in rows]


def _leads(row: Row, outcome: Outcome) -> bool:
    return row.best and len(outcome.rows) > 1


def rows_markdown(outcome: Outcome) -> str:
    """As a page of Markdown has it, the best in bold."""
    head, *rows = columns(outcome, best=False)
    at = len(outcome.keys)
    for row, of in zip(rows, outcome.rows, strict=True):
        row[at] = f"**{row[at]}**" if _leads(of, outcome) else row[at]
    lines = [head, ["---"] * len(head), *([_cell(word) for word in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(word: str) -> str:
    return word.replace("|", "\\|")


def rows_latex(outcome: Outcome) -> str:
    """As a paper has it, for the package booktabs; a comment says what its figures are."""
    head, *rows = ([_tex(word) for word in row] for row in columns(outcome, best=False))
    at = len(outcome.keys)
    for row, of in zip(rows, outcome.rows, strict=True):
        row[at] = rf"\textbf{{{row[at]}}}" if _leads(of, outcome) else row[at]
    kinds = "l" * at + "r" * (len(head) - at)
    body = "".join(f"{' & '.join(row)} \\\\\n" for row in rows)
    what = (
        f"% {metric_title(outcome.metric.name, quantity=True)}: the mean over the seeds, and half of its 95 % interval"
    )
    return (
        f"{what} (Student's t)\n"
        f"\\begin{{tabular}}{{{kinds}}}\n\\toprule\n{' & '.join(head)} \\\\\n\\midrule\n{body}\\bottomrule\n"
        "\\end{tabular}\n"
    )


TEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def _tex(text: str) -> str:
    return "".join(TEX.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)


def rows_csv(outcome: Outcome) -> str:
    """A row a run, for other tools."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*outcome.keys, "seed", outcome.metric.name, "state", "run"])
    for row in outcome.rows:
        for seed, one in row.trials.items():
            writer.writerow(
                [*row.labels.values(), seed, "" if one.value is None else repr(one.value), one.state, one.run]
            )
    return out.getvalue()
