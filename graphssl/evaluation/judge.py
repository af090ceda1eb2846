"""Judges an encoder while it is trained, by the evaluations that are due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import RAISED, RunError, ran_out
from ..graph.slips import failed
from ..graph.spec import EvaluationConfig
from .context import Context
from .registry import Evaluation, find_evaluation, metric_title, score_text

if TYPE_CHECKING:
    from ..data import Datasets

__all__ = ["Judge", "build_evaluations", "no_judgement"]


@dataclass(frozen=True)
class Judge:
    """Evaluates a frozen module by one evaluation or several, whose features are made once for all of them."""

    evaluations: Mapping[str, Evaluation]
    context: Context

    def scores_due(self, epoch: int, ends: bool) -> dict[str, float]:
        """The numbers of the evaluations that are due after so many epochs, by the metric's name; most often none.

        Raises RunError for a data set without labels.
        """
        return self.scores(name for name, kind in self.evaluations.items() if kind.due(epoch, ends))

    def scores(self, names: Iterable[str] | None = None) -> dict[str, float]:
        """The numbers of the named evaluations, default all, with the weights as they are now."""
        context = self.context.anew()
        found: dict[str, float] = {}
        for name in self.evaluations if names is None else names:
            found |= self._run(name, context)
        return found

    def _run(self, name: str, context: Context) -> dict[str, float]:
        """Its numbers by metric. Raises RunError where it fails: it may be a user's own, as components are."""
        try:
            scores = {metric: float(value) for metric, value in self.evaluations[name].run(context).items()}
        except RAISED as error:
            if isinstance(error, RunError) or ran_out(error):
                raise
            raise failed(f"the evaluation '{name}' failed", error) from error
        if stray := [metric for metric in scores if metric.partition("/")[0] != name]:
            raise RunError(f"a metric of the evaluation '{name}' is called so, or {name}/...; not '{stray[0]}'")
        return scores

    def title(self, metric: str) -> str:
        """What a metric is, in words: `kNN accuracy`."""
        return metric_title(metric, quantity=True)

    def text(self, metric: str, value: float) -> str:
        """A metric's number as it is read: `91.20 %`."""
        return score_text(metric, value)


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
