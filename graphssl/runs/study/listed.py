"""Studies whose cells are given graphs, and not what varies in one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...checks.checked import check
from ...errors import GraphError, UsageError
from ...graph.graph import Graph
from ...graph.read import load
from .axes import Axis
from .cells import Cell, Cells, Invalid, checked_cell, reasons_of
from .metric import Metric, metric_of
from .outcome import PREVIOUS
from .plan import Plan
from .reading import Asked
from .spec import Study

__all__ = ["AS_IS", "KEY", "Listed", "base_of", "kept_plan", "listed_plan"]

KEY = "change"
AS_IS = "as it is"  # of an ablation's first cell


@dataclass(frozen=True)
class Listed:
    """A graph that is a cell, with the seed of all cells, or why it cannot be read; and what it is called."""

    name: str
    graph: Graph | GraphError


def listed_plan(
    source: str, listed: Sequence[Listed], said: Mapping[str, Any], kind: str, silent: Iterable[str] = (), *,
    base: str | None = None, made: str, progress: Callable[[int], None] | None = None,
) -> Plan:  # fmt: skip
    """The study of these graphs. said: as of a study, by the keys of its file. silent: those of which it is no news
    that they cannot run. base: see `Outcome`; default the first. made: the command that makes them.

    Raises UsageError where the first cannot run.
    """
    first = listed[0]
    if isinstance(first.graph, GraphError):
        raise first.graph
    metric = metric_of(first.graph, said.get("metric"))
    cells, invalid, equal = _checked(listed, metric, progress)
    if invalid and invalid[0].labels[KEY] == first.name:
        raise UsageError("\n  ".join([f"'{source}' cannot run:", *invalid[0].reasons]))
    digest = hashlib.sha256("".join(cell.digest for cell in cells).encode()).hexdigest()
    name = said.get("study") or f"{first.graph.name.replace('/', '-')}-{kind}-{digest[:6]}"
    names = [one.name for one in listed]
    told = {key: value for key, value in said.items() if value}
    spec = Study.model_validate({**told, "graph": source, "vary": {KEY: names}, "study": name})
    axes = {KEY: Axis(KEY, tuple(names), None, Path())}
    asked = Asked(spec, Path(), source, first.graph, axes, ())
    news = tuple(one for one in invalid if one.labels[KEY] not in set(silent))
    return Plan(asked, metric, Cells(tuple(cells), news, tuple(equal), 0), base or first.name, made)


def kept_plan(facts: Mapping[str, Any]) -> Plan:
    """The study of given graphs that a book has, for who takes part in it. facts: of the book."""
    spec = Study.model_validate(facts["spec"])
    kept = {key.removeprefix("cell "): fact for key, fact in facts.items() if key.startswith("cell ")}
    cells = [Cell(one["labels"], one["labels"], key, check(load(one["graph"]))) for key, one in kept.items()]
    graph = cells[0].checked.graph
    axes = {KEY: Axis(KEY, tuple(spec.vary[KEY]), None, Path())}
    asked = Asked(spec, Path(), spec.graph, graph, axes, ())
    return Plan(asked, metric_of(graph, spec.metric), Cells(tuple(cells), (), (), 0), base_of(facts), facts["made"])


def base_of(facts: Mapping[str, Any]) -> str | None:
    """What the cells of a study are held beside, see `Outcome`; of a book that does not say, by what has made it."""
    if "base" in facts:
        return str(facts["base"]) if facts["base"] is not None else None
    made = str(facts.get("made", ""))
    return AS_IS if made.startswith("ablate") else PREVIOUS if made.startswith("bridge") else None


def _checked(
    listed: Sequence[Listed], metric: Metric, progress: Callable[[int], None] | None
) -> tuple[list[Cell], list[Invalid], list[tuple[Mapping[str, str], Cell]]]:
    known: dict[str, Cell] = {}
    invalid: list[Invalid] = []
    equal: list[tuple[Mapping[str, str], Cell]] = []
    for i, one in enumerate(listed):
        labels = {KEY: one.name}
        if isinstance(one.graph, GraphError):
            cell: Cell | Invalid = Invalid(labels, reasons_of(one.graph.problems))
        else:
            cell = checked_cell(one.graph, labels, labels, metric)
        if isinstance(cell, Invalid):
            invalid.append(cell)
        elif cell.digest in known:
            equal.append((labels, known[cell.digest]))
        else:
            known[cell.digest] = cell
        if progress is not None:
            progress(i + 1)
    return list(known.values()), invalid, equal
