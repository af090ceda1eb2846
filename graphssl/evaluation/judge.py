"""Judges an encoder while it is trained, by the evaluations that are due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import RAISED, RunError, ran_out
from ..graph.slips import failed
from ..graph.spec import EvaluationConfig
from .context import Context
from .figures import Figures
from .labels import label_of
from .registry import Evaluation, find_evaluation, metric_title, score_text

if TYPE_CHECKING:
    from ..data import Datasets

__all__ = ["Judge", "Judged", "build_evaluations", "no_judgement"]


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
    evaluation, by label.
    """

    evaluations: Mapping[str, Evaluation]
    context: Context
    beside: tuple[Context, ...] = ()
    otherwise: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    on: str | None = None
    latest: dict[str, Judged] = field(default_factory=dict)
    plain: str | None = None

    def scores_due(self, epoch: int, ends: bool) -> dict[str, float]:
        """The numbers of the evaluations that are due after so many epochs, by the metric's name; most often none.

        Raises RunError for a data set without labels.
        """
        return self.scores(name for name, kind in self.evaluations.items() if kind.due(epoch, ends))

    def scores(self, names: Iterable[str] | None = None) -> dict[str, float]:
        """The numbers of the named evaluations, default all, with the weights as they are now."""
        return {m: v for judged in self.judge(names).values() for m, v in judged.figures.scores.items()}

    def judge(self, names: Iterable[str] | None = None) -> dict[str, Judged]:
        """As `scores`, with what stands beside the numbers, by what the figures are called: `knn`."""
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
                figures = _named(self._run(name, context), name, label)
                found[label] = Judged(name, context.name, figures, label_of(name, {}, of))
        self.latest.update(found)
        return found

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


def no_judgement(data: Datasets) -> str | None:
    """Why features cannot be judged on a data set."""
    if not data.classes:
        return f"the data set has no labels; {data.labels}"
    if len(data.classes) == 1:
        return f"the data set has one class, '{data.classes[0]}', and so nothing to tell apart"
    if not data.held_out:
        return "the data set has no held-out pictures"
    if not data.judged:
        return f"no held-out picture has a label{'' if data.labelled else ' but one of a class'}"
    return None
