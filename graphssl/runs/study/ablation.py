"""What each part of a graph is worth: every part taken out, or exchanged, once; beside the graph as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import GraphError, UsageError, suggest
from ...graph.edits import Edit, edits_of
from ...graph.graph import Graph
from ...graph.read import load
from .axes import Axis
from .cells import SEED, Cell, Cells, Invalid, checked_cell, reasons_of
from .metric import Metric, metric_of
from .plan import Plan
from .reading import Asked
from .spec import Study

__all__ = ["AS_IS", "ablation", "chosen_edits"]

AS_IS = "as it is"
KEY = "change"


@dataclass(frozen=True)
class Step:
    """A graph of a list that is compared: what it is called, and the changes that make it of the first."""

    name: str
    sets: tuple[str, ...]


def ablation(
    graph: str, said: Mapping[str, Any], only: Sequence[str] = (), progress: Callable[[int], None] | None = None
) -> Plan:  # fmt: skip
    """The study of all single edits of a graph that are valid. said: as of a study, by the keys of its file.

    only: parts, whose edits alone are made. Raises GraphError for a graph that is wrong as it is.
    """
    base = load(graph, [*said.get("set", ()), SEED])
    edits = chosen_edits(base, only)
    steps = [Step(AS_IS, ()), *(Step(edit.name, edit.sets) for edit in edits)]
    exchanges = {edit.name for edit in edits if edit.kind == "exchange"}
    return listed_plan(graph, base, steps, {**said, "study": said.get("study") or ""}, "ablation", exchanges, progress)


def chosen_edits(graph: Graph, only: Sequence[str]) -> list[Edit]:
    """Of all, or of some parts: a node, `stopgrad`, `augment.flip`. Raises UsageError for a part that is none."""
    edits = edits_of(graph)
    parts = dict.fromkeys(edit.part for edit in edits)
    for name in only:
        if not any(part == name or part.startswith(f"{name}.") for part in parts):
            raise UsageError(f"nothing of the graph can be left out as '{name}': {suggest(name, parts, 'parts are')}")
    return [e for e in edits if not only or any(e.part == name or e.part.startswith(f"{name}.") for name in only)]


def listed_plan(
    source: str, graph: Graph, steps: Sequence[Step], said: Mapping[str, Any], kind: str, silent: Iterable[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Plan:  # fmt: skip
    """A study whose cells are these graphs. silent: those of which it is no news that they cannot run.

    Raises UsageError where the first cannot.
    """
    metric = metric_of(graph, said.get("metric"))
    cells, invalid, equal = _checked(source, steps, said.get("set", ()), metric, progress)
    if isinstance(first := cells.get(steps[0].name), Invalid) or first is None:
        reasons = first.reasons if isinstance(first, Invalid) else ()
        raise UsageError("\n  ".join([f"the graph cannot run {steps[0].name}", *reasons]))
    runnable = [cell for cell in cells.values() if isinstance(cell, Cell)]
    digest = hashlib.sha256("".join(cell.digest for cell in runnable).encode()).hexdigest()
    name = said.get("study") or f"{graph.name.replace('/', '-')}-{kind}-{digest[:6]}"
    spec = Study.model_validate({
        "graph": source, "vary": {KEY: [step.name for step in steps]}, **{k: v for k, v in said.items() if v}, "study": name,
    })  # fmt: skip
    axes = {KEY: Axis(KEY, tuple(step.name for step in steps), None, Path())}
    asked = Asked(spec, Path(), source, graph, axes, ())
    told = tuple(one for one in invalid if one.labels[KEY] not in set(silent))
    return Plan(asked, metric, Cells(tuple(runnable), told, tuple(equal), 0))


def _checked(
    source: str, steps: Sequence[Step], sets: Sequence[str], metric: Metric, progress: Callable[[int], None] | None
) -> tuple[dict[str, Cell | Invalid], list[Invalid], list[tuple[Mapping[str, str], Cell]]]:
    found: dict[str, Cell | Invalid] = {}
    invalid: list[Invalid] = []
    equal: list[tuple[Mapping[str, str], Cell]] = []
    known: dict[str, Cell] = {}
    for i, step in enumerate(steps):
        labels = {KEY: step.name}
        try:
            cell = checked_cell(load(source, [*sets, *step.sets, SEED]), labels, labels, metric)
        except GraphError as error:
            cell = Invalid(labels, reasons_of(error.problems))
        if isinstance(cell, Invalid):
            invalid.append(cell)
            found.setdefault(step.name, cell)
        elif cell.digest in known:
            equal.append((labels, known[cell.digest]))
        else:
            found[step.name] = known[cell.digest] = cell
        if progress is not None:
            progress(i + 1)
    return found, invalid, equal
