"""A run as a page shows it, from its folder; or, where that is not here, from MLflow."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ...errors import GraphError, RunError, UsageError
from ...graph.graph import Graph
from ...graph.language import yaml
from ...graph.read import load
from ...track import Comparison, FoundRun, Point, compared, curves, find_run, read_rows
from ...track.grouped import short
from ...track.names import flatten
from .. import folder as folders
from ..folder import RunFolder
from ..listing import Line, line_of
from ..records import records
from ..tracking import better_tags

__all__ = ["Subject", "beside", "subject_of", "subjects_of"]


@dataclass(frozen=True, eq=False)
class Subject:
    """A run. found: as MLflow has it, or would. points: its metrics, by the names that people use.

    state: how it stands, in a word. folder: None of one that only MLflow has. graph: None where it cannot be read.
    lacks: why parts of it are not on the page.
    """

    found: FoundRun
    points: tuple[Point, ...]
    state: str
    folder: RunFolder | None = None
    graph: Graph | None = None
    lacks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.found.name

    @property
    def seed(self) -> str:
        return self.found.params.get("train.seed", "-")

    @property
    def mlflow(self) -> str | None:
        """Its id there."""
        return self.found.run_id or None

    def history(self, metric: str) -> list[Point]:
        """A metric's finite points, by step."""
        return self._histories.get(metric, [])

    @cached_property
    def _histories(self) -> dict[str, list[Point]]:
        found: dict[str, list[Point]] = {}
        for point in sorted(self.points, key=lambda point: point.step):
            if math.isfinite(point.value):
                found.setdefault(point.name, []).append(point)
        return found


def subjects_of(names: Sequence[str]) -> list[Subject]:
    """Runs by their names, folders, or names and ids in MLflow. Raises UsageError for one that is not there, and for
    one that is named twice."""
    found: list[Subject] = []
    for name in names:
        one = subject_of(name)
        if any(_same(one, other) for other in found):
            raise UsageError(f"the run '{one.name}' is named twice")
        found.append(one)
    return found


def _same(one: Subject, other: Subject) -> bool:
    if one.folder is not None and other.folder is not None:
        return one.folder.path.resolve() == other.folder.path.resolve()
    return one.mlflow is not None and one.mlflow == other.mlflow


def subject_of(name: str) -> Subject:
    """The run of that name. Raises UsageError where it is neither here nor in MLflow."""
    try:
        return _of_folder(folders.find_run(name))
    except UsageError as absent:
        try:
            found = find_run(name)
            points = tuple(Point(step, name, value) for name, of in curves(found).items() for step, value in of)
        except RunError:
            raise absent from None
        lacks = ("its folder is not here: what stands on this page of it is what MLflow has",)
        return Subject(found, points, found.status.lower(), lacks=lacks)


def _of_folder(folder: RunFolder) -> Subject:
    line, lacks = line_of(folder), []
    if line.wrong is not None:
        lacks.append(line.wrong)
    points: tuple[Point, ...] = ()
    try:
        points = tuple(replace(point, name=short(point.name)) for point in read_rows(folder.rows))
    except (OSError, RunError) as error:
        lacks.append(f"its metrics cannot be read: {error}")
    if not points and not lacks:
        lacks.append("it has measured nothing that its metrics.csv knows")
    graph = None
    try:
        graph = load(folder.graph)
    except GraphError as error:
        lacks.append(f"its graph cannot be read here: {next(iter(error.problems)).message}")
    found = _found(line, graph, points)
    return Subject(found, points, line.state, folder, graph, tuple(lacks))


def _found(line: Line, graph: Graph | None, points: Sequence[Point]) -> FoundRun:
    facts = {} if line.wrong is not None else line.folder.facts()
    if graph is not None:
        resolved, tags = graph.resolved(), better_tags(graph.spec.evaluate.asked)
    else:
        resolved, tags = yaml.mapping_in(line.text), {}
    params = {**flatten(resolved), **flatten(facts.get("changes", {}))}
    last = {point.name: point.value for point in sorted(points, key=lambda point: point.step)}
    after: dict[str, float] = {}  # what was evaluated when it had been trained
    with contextlib.suppress(RunError):
        after = {metric: float(value) for record in records(line.folder) for metric, value in record.scores.items()}
    metrics = {**last, **line.scores, **after}
    return FoundRun(facts.get("mlflow") or "", line.name, "", params, metrics, tags, line.status, 0)


def beside(subjects: Sequence[Subject]) -> Comparison:
    """Runs side by side, as `graphssl compare` has them."""
    each = {id(one.found): one for one in subjects}
    return compared(
        tuple(one.found for one in subjects),
        lambda run, metric: [point.value for point in each[id(run)].history(metric)],
    )
