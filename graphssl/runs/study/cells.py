"""The cells of a study, all checked before any is trained: those that run, those that cannot, those that are equal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ...checks.checked import Checked, check
from ...checks.evaluations import note_lacks
from ...errors import GraphError, Problem, Problems, Refused, RunError, UsageError, suggest
from ...graph.graph import Graph
from ...graph.read import load
from ...graph.spec import GraphFile
from ...track.names import leaves
from ..data import refuse_absent
from .axes import changes_of, grid
from .metric import Metric
from .reading import Asked

__all__ = [
    "Cell", "Cells", "Invalid", "cell_of", "cells_of", "check_conditions", "checked_cell", "reasons_of",
    "refuse_unmeasurable",
]  # fmt: skip

T = TypeVar("T")

SEED = "train.seed=0"  # of a cell's graph, which is that of all seeds
MOST = 2_000  # cells that are checked


@dataclass(frozen=True)
class Cell:
    """labels: its values as they are shown, by key. digest: of what it computes, whatever the seed."""

    labels: Mapping[str, str]
    drawn: Mapping[str, Any]
    digest: str
    checked: Checked = field(repr=False, compare=False)


@dataclass(frozen=True)
class Invalid:
    """A cell that cannot run, and why."""

    labels: Mapping[str, str]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Cells:
    """equal: those that compute the same as an earlier one, by labels. left_out: by the conditions."""

    cells: tuple[Cell, ...]
    invalid: tuple[Invalid, ...]
    equal: tuple[tuple[Mapping[str, str], Cell], ...]
    left_out: int


def cells_of(asked: Asked, metric: Metric, progress: Callable[[int], None] | None = None) -> Cells:
    """All cells of a grid. progress: told how many are looked at. Raises GraphError for conditions on unknown keys,
    UsageError where there are too many cells, or none is left, with the reasons."""
    left_out, looked_at = _counted(asked)
    cells: dict[str, Cell] = {}
    invalid: list[Invalid] = []
    equal: list[tuple[Mapping[str, str], Cell]] = []
    known = set(asked.axes)
    for i, values in enumerate(looked_at):
        found = _told(cell_of, asked, metric, values, known)
        if found is None:
            left_out += 1
        elif isinstance(found, Invalid):
            invalid.append(found)
        elif found.digest in cells:
            equal.append((found.labels, cells[found.digest]))
        else:
            cells[found.digest] = found
        if progress is not None:
            progress(i + 1)
    check_conditions(asked, known)
    if not cells:
        reasons = dict.fromkeys(reason for one in invalid for reason in one.reasons)
        why = [f"the conditions leave out all {left_out}"] if left_out and not invalid else list(reasons)
        raise UsageError("\n  ".join(["no cell of the study can run", *why]))
    return Cells(tuple(cells.values()), tuple(invalid), tuple(equal), left_out)


def cell_of(asked: Asked, metric: Metric, values: Mapping[str, Any], known: set[str]) -> Cell | Invalid | None:
    """The cell of these values; None where a condition leaves it out. known: gets the keys of its graph.

    Raises Refused for a condition that compares what cannot be."""
    axes = asked.axes
    if not _early(asked, values):
        return None
    labels = {key: axis.label(values[key]) for key, axis in axes.items()}
    changes = changes_of(axes, values)
    try:
        graph = load(asked.source, [*asked.spec.set, *changes.sets, SEED], changes.fragments)
    except GraphError as error:
        return Invalid(labels, reasons_of(error.problems))
    flat = dict(leaves(graph.resolved()))
    known.update(flat)
    if not all(one.holds({**flat, **values}) for one in asked.conditions):
        return None
    return checked_cell(graph, labels, {key: axis.drawn(values[key]) for key, axis in axes.items()}, metric)


def checked_cell(graph: Graph, labels: Mapping[str, str], drawn: Mapping[str, Any], metric: Metric) -> Cell | Invalid:
    """The cell of a graph that is read, with the seed of all cells, or why it cannot run."""
    if (lacking := metric.lacking(graph)) is not None:
        return Invalid(labels, (lacking,))
    try:
        refuse_absent(graph.spec.data)
        checked = check(graph)
    except GraphError as error:
        return Invalid(labels, reasons_of(error.problems))
    except RunError as error:
        return Invalid(labels, (str(error),))
    return Cell(labels, drawn, graph.hash(), checked)


def _counted(asked: Asked) -> tuple[int, list[Mapping[str, Any]]]:
    """How many cells are left out by what varies alone, and the others."""
    left_out, found = 0, list[Mapping[str, Any]]()
    for values in grid(asked.axes):
        if not _told(_early, asked, values):
            left_out += 1
        elif len(found) < MOST:
            found.append(values)
        else:
            raise UsageError(
                f"these are more than {MOST:,} cells, each of which would be checked: fewer values, conditions, or "
                "sampler: random, which draws trials: of them"
            )
    return left_out, found


def _told(function: Callable[..., T], *args: object) -> T:
    """What a function gives; that a condition compares what cannot be is a UsageError."""
    try:
        return function(*args)
    except Refused as error:
        raise UsageError(str(error)) from None


def _early(asked: Asked, values: Mapping[str, Any]) -> bool:
    """Whether a cell fulfils the conditions that are of what varies alone."""
    early = (one for one in asked.conditions if not any(_of_graph(key) for key in one.keys - set(values)))
    return all(one.holds(values) for one in early)


def refuse_unmeasurable(asked: Asked, metric: Metric) -> None:
    """Raises UsageError for a figure that is measured after runs, and that the data do not allow."""
    if metric.in_runs or metric.evaluation in asked.graph.spec.evaluate.asked:
        return
    problems = Problems()
    with problems.gathering():
        note_lacks(load(asked.source, [*asked.spec.set, SEED, f"evaluate.{metric.evaluation}={{}}"]), problems)
    if reasons := reasons_of(problems):
        raise UsageError(f"'{metric.name}' cannot be measured: {'; '.join(reasons)}")


def reasons_of(problems: Iterable[Problem]) -> tuple[str, ...]:
    """What is wrong, a line each, with the rule's code."""
    errors = [p for p in problems if p.severity == "error"]
    lines = (f"{p.message}{f' [{p.code}]' if p.code else ''}{f' ({p.hint})' if p.hint else ''}" for p in errors)
    return tuple(dict.fromkeys(lines))


def _of_graph(key: str) -> bool:
    """Whether a dotted name begins as a graph's key does."""
    return "." in key and key.partition(".")[0] in GraphFile.model_fields


def check_conditions(asked: Asked, known: set[str]) -> None:
    """Raises GraphError for a comparison in which nothing is a key. known: the keys that some cell has."""
    problems = []
    for one in asked.conditions:
        for name in one.lost(known):
            hint = suggest(name, known if _of_graph(name) else asked.axes, "what varies is").text
            text = f"'{name}' of the condition '{one.text}' is no key of the study"
            problems.append(Problem(text, one.span, hint, kind="unknown"))
    if problems:
        raise GraphError(problems)
