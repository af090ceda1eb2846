"""A graph that holds: its data are there, its sizes worked out, every rule asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ..component import DataFacts
from ..data import facts as data_facts
from ..data.known import whence_labels
from ..data.presence import absence
from ..errors import GraphError, OptionError, Problem, Problems, RunError, in_file_order
from ..graph.graph import Graph
from ..graph.language.packaged import is_packaged
from ..graph.read import load
from ..world import parts_near
from .evaluations import note_lacks, note_refusals
from .features import features_of, image_size
from .inference import find_shapes
from .rules.all import check as check_rules
from .shapes import Shapes
from .sinks import note_missing_sinks
from .trained import find_unknown_parts, note_unordered_layers
from .weights.wanted import Loading, look

__all__ = ["NO_LABELS", "Checked", "check", "validated"]

NO_LABELS = "the graph takes labels (batch.label), and no training picture has one"


@dataclass(frozen=True)
class Checked:
    """A graph that holds: its wiring, shapes, the facts of its data, and the warnings.

    weights: of the nodes that ask for some, how those fit; empty where nobody has looked.
    """

    graph: Graph
    shapes: Shapes
    data: DataFacts
    warnings: tuple[Problem, ...]
    weights: Mapping[str, Loading] = field(default_factory=dict)

    def __repr__(self) -> str:
        count = len(self.warnings)
        return f"<Checked {self.graph!r}, {count} warning{'s' * (count != 1)}>"

    @property
    def features(self) -> str | None:
        """What is evaluated, see `features_of`."""
        return features_of(self.graph, self.shapes)

    @property
    def judged(self) -> tuple[str, ...]:
        """All that is evaluated, what comes first first."""
        return self.graph.spec.evaluate.named or ((self.features,) if self.features is not None else ())

    def image_size(self, name: str) -> tuple[int, int] | None:
        """Height and width of the plain images from which a node or a value gives features, None where it cannot."""
        return image_size(self.graph, self.shapes, name)


def check(
    graph: Graph | str | Path | Mapping[str, Any], sets: Sequence[str] = (), *, weights: bool = True,
    evaluations: bool = True,
) -> Checked:  # fmt: skip
    """Everything that can be known without a look at the data: shapes, gradient, states, rules, where the data are.

    weights: whether to look for those that nodes start with; a run that goes on has its own. evaluations: whether what
    these lack stops a run; one that goes on leaves them out. Raises GraphError with all that is wrong.
    """
    found = Problems()
    graph = _read(graph, sets, found)
    with _telling_of_data(graph, found):
        _find_data(graph, found)
    data = _facts(graph, found)
    if "label" in graph.batch and data.unlabelled:
        found.add(f"{NO_LABELS}; {whence_labels(graph.spec.data)}", graph.source.at(("data", "use")), about="data")
    note_missing_sinks(graph, found)
    if evaluations:
        note_lacks(graph, found)
    return _check(graph, data, found, weights, evaluations)


def validated(graph: Graph | str | Path, data: DataFacts | None = None) -> Checked:
    """As `check`, also where the data set is not there, as on a machine that only looks at the graph or its weights.

    data: the facts of the data set; default: those that are known of it.
    """
    found = Problems()
    graph = _read(graph, (), found)
    return _check(graph, _facts(graph, found) if data is None else data, found)


def _read(graph: Graph | str | Path | Mapping[str, Any], sets: Sequence[str], found: Problems) -> Graph:
    """The graph; notes what is wrong beside it. Raises GraphError where there is none."""
    if isinstance(graph, Graph):
        return graph
    try:
        return load(graph, sets)
    except GraphError as error:
        if not isinstance(error.graph, Graph):
            raise
        found.merge(error.problems)
        return error.graph


@contextmanager
def _telling_of_data(graph: Graph, found: Problems) -> Iterator[None]:
    """What a data set cannot say of itself is a problem where it is named; without its facts nothing more is known."""
    try:
        yield
    except RunError as error:
        key = error.key if isinstance(error, OptionError) else "use"
        found.add(str(error), graph.source.at(("data", key)))
        raise GraphError(found) from error


def _facts(graph: Graph, found: Problems) -> DataFacts:
    with _telling_of_data(graph, found):
        return data_facts(graph.spec.data)


def _find_data(graph: Graph, found: Problems) -> None:
    """Notes a data set that is not where the graph says; a packaged graph only says where to put it."""
    missing = absence(graph.spec.data)
    if missing is not None:
        at = graph.source.at(("data", missing.key))
        if not is_packaged(at.file):
            found.add(missing.message, at, missing.hint, kind="missing", about="data")


def _check(graph: Graph, data: DataFacts, found: Problems, weights: bool = False, evaluations: bool = False) -> Checked:
    """Notes what else is wrong; raises GraphError where that stops a run."""
    if graph.asks_for_batch and (samples := data.fewer_than(graph.spec.data.batch * graph.spec.train.accumulate)):
        graph = graph.with_batch(max(1, samples // graph.spec.train.accumulate))  # no more than there is
    built: dict[str, nn.Module] = {}
    shapes = find_shapes(graph, data, graph.spec.data.batch, found, built)
    loadings = look(graph, built, found, partly=shapes is None) if weights else {}
    note_unordered_layers(graph, built, found)
    unknown = find_unknown_parts(graph, built, found)
    if shapes is not None and not unknown:  # else nothing is known of what trains
        check_rules(graph, shapes, found)
    if shapes is not None and evaluations:
        note_refusals(graph, shapes, found)
    found.stop()
    assert shapes is not None
    return Checked(graph, shapes, data, tuple(in_file_order(found)), loadings)


def check_parts(checked: Checked, processes: int) -> None:
    """Raises GraphError where so many processes cannot have equal parts of a batch."""
    batch = checked.graph.spec.data.batch
    if batch % processes and not checked.graph.asks_for_batch:
        message = f"{processes} processes cannot part a batch of {batch} evenly"
        raise GraphError(
            [Problem(message, checked.graph.source.at(("data", "batch")), hint=parts_near(batch, processes))]
        )
