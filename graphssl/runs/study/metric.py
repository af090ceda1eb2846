"""The figure by which the cells of a study are compared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...errors import UsageError, suggest
from ...evaluation.labels import parse
from ...evaluation.registry import REGISTRY, better_metrics, find_evaluation, measured_in_runs
from ...graph.graph import Graph

__all__ = ["Metric", "metric_of"]


@dataclass(frozen=True)
class Metric:
    """name: such as `knn`, or `knn/top5`. more: whether more of it is better."""

    name: str
    more: bool

    @property
    def evaluation(self) -> str:
        return parse(self.name).evaluation

    @property
    def in_runs(self) -> bool:
        """Whether runs measure it as they train; else it is measured after each."""
        return measured_in_runs(self.evaluation)

    def lacking(self, graph: Graph) -> str | None:
        """Why a graph has no such figure, None where it has."""
        if not self.in_runs or self.evaluation in graph.spec.evaluate.asked:
            return None
        return f"it does not measure '{self.evaluation}', by which cells are compared (evaluate.{self.evaluation})"

    def best(self, values: Iterable[float]) -> float:
        return max(values) if self.more else min(values)


def metric_of(graph: Graph, name: str | None) -> Metric:
    """The one of that name, or the first that the graph measures. Raises UsageError, with a suggestion."""
    if name is None:
        for asked in graph.spec.evaluate.asked:
            for more in (True, False):
                for metric in better_metrics(asked, more) if measured_in_runs(asked) else ():
                    return Metric(metric, more)
        raise UsageError("the graph measures nothing by which cells could be compared: metric: says what does")
    evaluation = parse(name).evaluation
    if evaluation not in REGISTRY:
        raise UsageError(f"there is no figure '{name}': {suggest(evaluation, REGISTRY, 'evaluations are')}")
    if not find_evaluation(evaluation).gives(name):
        raise UsageError(f"'{evaluation}' has no figure '{name}'{_figures(evaluation, name)}")
    for more in (True, False):
        if {evaluation, name} & set(better_metrics(evaluation, more)):
            return Metric(name, more)
    known = [metric for more in (True, False) for metric in better_metrics(evaluation, more)]
    raise UsageError(f"of '{name}' neither more nor less is better: {suggest(name, known, 'figures are')}")


def _figures(evaluation: str, name: str) -> str:
    """What figures there are, where they can be listed."""
    parts = [part for part in find_evaluation(evaluation).parts or () if re.fullmatch(r"\w*", part)]
    hint = suggest(name, [f"{evaluation}/{part}" if part else evaluation for part in parts], "figures are").text
    return "" if hint is None else f": {hint}"
