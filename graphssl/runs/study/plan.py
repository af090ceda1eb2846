"""A study as it is about to run: its cells checked, its runs counted, what it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...checks.checked import check
from ...checks.weights.wanted import pin
from ...graph.language.dump import dump
from ..portable import portable
from .book import Book, Trial
from .cells import Cell, Cells, cells_of, refuse_unmeasurable
from .cost import Forecast, forecast
from .metric import Metric, metric_of
from .reading import Asked

__all__ = ["STUDIES", "Plan", "planned"]

STUDIES = Path("studies")
TRIALS = 20  # that are drawn, where a study does not say how many


@dataclass(frozen=True)
class Plan:
    """cells: of a grid; None of a study whose cells are drawn. base: of `Outcome`. made: the command that makes its
    cells, of a study in which nothing varies that a file could say."""

    asked: Asked
    metric: Metric
    cells: Cells | None
    base: str | None = None
    made: str | None = None

    @property
    def folder(self) -> Path:
        return STUDIES / self.asked.name

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.asked.spec.all_seeds

    @property
    def trials(self) -> int:
        """Cells that there are, or will have been drawn."""
        return len(self.cells.cells) if self.cells is not None else self.asked.spec.trials or TRIALS

    @property
    def runs(self) -> int:
        return self.trials * len(self.seeds)

    def missing(self, trials: list[Trial], *, retry: bool) -> list[tuple[str, Mapping[str, object], int]]:
        """What no trial is of, of the grid's cells or those that were drawn: digest, what Optuna has, seed. All cells
        of a seed before those of the next. retry: what has failed, too."""
        there = {(t.cell, t.seed) for t in trials if t.state != "failed" or not (retry or t.why is None)}
        cells = {t.cell: t.drawn for t in trials} if self.cells is None else {}
        cells |= {cell.digest: cell.drawn for cell in self.cells.cells} if self.cells is not None else {}
        each = ((cell, drawn, seed) for seed in self.seeds for cell, drawn in cells.items())
        return [one for one in each if (one[0], one[2]) not in there]

    def forecast(self, device: torch.device) -> Forecast:
        """What a run takes; of drawn cells as of the graph without variation."""
        if self.cells is not None:
            return forecast(self.cells.cells, device)
        return forecast([Cell({}, {}, "", check(self.asked.graph))], device)

    def run_name(self, cell: str, seed: int) -> str:
        return f"{self.asked.name}-{cell[:8]}-s{seed}"


def planned(asked: Asked, progress: Callable[[int], None] | None = None) -> Plan:
    """Checks all cells. Raises GraphError for a graph that is wrong as it is where cells are drawn, and as `cells_of`,
    UsageError for a metric that is none."""
    metric = metric_of(asked.graph, asked.spec.metric)
    refuse_unmeasurable(asked, metric)
    if asked.spec.sampler != "grid":
        check(asked.graph)
        return Plan(asked, metric, None)
    return Plan(asked, metric, cells_of(asked, metric, progress))


def kept(cell: Cell) -> dict[str, object]:
    """What the book has of a cell: its values as they are shown, and its whole graph, for other machines."""
    checked = replace(cell.checked, graph=pin(cell.checked.graph, cell.checked.weights))
    return {"labels": dict(cell.labels), "graph": dump(portable(checked))}


def note_cell(book: Book, cell: Cell) -> None:
    """Keeps a cell in the book."""
    book.note(**{f"cell {cell.digest}": kept(cell)})


def labels_in(book: Book) -> dict[str, Mapping[str, str]]:
    """The values of each cell in the book, by its digest, in their order."""
    facts = book.facts()
    return {key.removeprefix("cell "): fact["labels"] for key, fact in facts.items() if key.startswith("cell ")}
