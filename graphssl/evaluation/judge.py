"""Judges an encoder while it is trained, by the evaluations that are due."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..errors import RAISED, RunError, ran_out
from ..graph.slips import failed
from ..graph.spec import EvaluationConfig
from ..train.failures import enough_memory, fails_everywhere
from .context import Context
from .figures import Figures
from .labels import label_of
from .registry import Evaluation, find_evaluation, metric_title, score_text

__all__ = ["Judge", "Judged", "build_evaluations"]


class Judged(NamedTuple):
    """Of one evaluation, by its name, of one network, by the graph's name of it. called: by whoever has asked, and
    knows the options and the data: `knn`, `knn of target.encoder`."""

    evaluation: str
    features: str
    figures: Figures
    called: str


@dataclass(frozen=True)
class Judge:
    """Evaluates a frozen module by one evaluation or several, whose features are made once for all of them.

    beside: other modules, judged alike; their metrics say what they are of: `knn of target.encoder`. plain: the name
    of the one whose metrics do not; default: the first. otherwise: by an evaluation's name, options that differ from
    those of the graph, and on: the name of other data; metrics say that too. latest: the last figures of each
    evaluation, by label. told: of one that fails once training has begun, which goes on without its numbers; None: it
    raises. failures: of those whose last attempt failed, why, by label.
    """

    evaluations: Mapping[str, Evaluation]
    context: Context
    beside: tuple[Context, ...] = ()
    otherwise: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    on: str | None = None
    latest: dict[str, Judged] = field(default_factory=dict)
    plain: str | None = None
    told: Callable[[str], None] | None = None
    failures: dict[str, str] = field(default_factory=dict)

    def scores_due(self, epoch: int, ends: bool) -> dict[str, float]:
        """The numbers of the evaluations that are due after so many epochs, by the metric's name; most often none.

        Raises RunError for one that fails before training has begun.
        """
        due = [name for name, kind in self.evaluations.items() if kind.due(epoch, ends)]
        return _scores(self.judge(due, self.told if epoch else None))

    def scores(self, names: Iterable[str] | None = None) -> dict[str, float]:
        """The numbers of the named evaluations, default all, with the weights as they are now."""
        return _scores(self.judge(names))

    def judge(self, names: Iterable[str] | None = None, told: Callable[[str], None] | None = None) -> dict[str, Judged]:
        """As `scores`, with what stands beside the numbers, by what the figures are called: `knn`.

        told: of those that fail, which are left out; None: RunError."""
        names = list(self.evaluations if names is None else names)
        found: dict[str, Judged] = {}
        plain = self.context.name if self.plain is None else self.plain
        for given in (self.context, *self.beside):
            context = given.anew()
            for name in names:
                if given is not self.context and self.evaluations[name].of_first_alone:
                    continue
                of = None if context.name == plain else context.name
                label = label_of(name, self.otherwise.get(name, {}), of, self.on)
                measured = self._run(name, context) if told is None else self._tried(name, context, label, told)
                if measured is None:
                    continue
                found[label] = Judged(name, context.name, _named(measured, name, label), label_of(name, {}, of))
        self.latest.update(found)
        return found

    def _tried(self, name: str, context: Context, label: str, told: Callable[[str], None]) -> Figures | None:
        """None where it fails, in every process: one alone cannot go on without the others."""
        try:
            with enough_memory("in the evaluation", "A smaller data.batch takes less."):
                measured = self._run(name, context)
        except RunError as error:
            if not fails_everywhere():
                raise
            if self.failures.get(label) != str(error):
                told(f"warning: {label} is left out, as it has failed: {error}")
            self.failures[label] = str(error)
            self.latest.pop(label, None)  # of an earlier epoch
            return None
        self.failures.pop(label, None)
        return measured

    def _run(self, name: str, context: Context) -> Figures:
        """Its numbers by metric. Raises RunError where it fails: it may be a user's own, as components are."""
        try:
            measured = self.evaluations[name].run(context)
            figures = measured if isinstance(measured, Figures) else Figures(measured)
            scores = {metric: float(value) for metric, value in figures.scores.items()}
        except RAISED as error:
            if isinstance(error, RunError) or ran_out(error):
                raise
            raise failed(f"the evaluation '{name}' failed", error) from error
        if stray := [metric for metric in scores if metric.partition("/")[0] != name]:
            raise RunError(f"a metric of the evaluation '{name}' is called so, or {name}/...; not '{stray[0]}'")
        return replace(figures, scores=scores)

    def title(self, metric: str) -> str:
        """What a metric is, in words: `kNN accuracy`."""
        return metric_title(metric, quantity=True)

    def text(self, metric: str, value: float) -> str:
        """A metric's number as it is read: `91.20 %`."""
        return score_text(metric, value)


def _scores(found: Mapping[str, Judged]) -> dict[str, float]:
    return {metric: value for judged in found.values() for metric, value in judged.figures.scores.items()}


def _named(figures: Figures, name: str, label: str) -> Figures:
    """The figures under another label than the evaluation's own name."""
    if label == name:
        return figures
    scores = {label + metric.removeprefix(name): value for metric, value in figures.scores.items()}
    intervals = {label + metric.removeprefix(name): value for metric, value in figures.intervals.items()}
    return replace(figures, scores=scores, intervals=intervals)


def build_evaluations(options: Mapping[str, EvaluationConfig]) -> dict[str, Evaluation]:
    """The evaluations with these options, by name."""
    return {name: find_evaluation(name)(config) for name, config in options.items()}
