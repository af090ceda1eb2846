"""A run's encoder, judged again."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..data import open_data
from ..errors import RunError, UsageError
from ..evaluation.context import Context
from ..evaluation.judge import Judge, no_judgement
from ..evaluation.registry import REGISTRY, Evaluation, EvaluationConfig, find_evaluation
from ..graph.language.validation import validate
from ..graph.spec import Evaluate
from ..train.device import choose_device
from ..train.failures import enough_memory
from ..train.loop import LESS
from .data import change_since, refuse_absent
from .folder import find_run
from .trained import load_trained

__all__ = ["Evaluated", "evaluate_run"]

log = logging.getLogger(__name__)

Options = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Evaluated:
    """What the evaluations of a run's encoder measured, by metric; the evaluations, by name; how it was judged."""

    run: str
    scores: Mapping[str, float]
    evaluations: Mapping[str, Evaluation]
    notes: tuple[str, ...] = ()


def evaluate_run(name: str, options: Options, device: str, sets: Sequence[str] = ()) -> Evaluated:
    """Judges a run's encoder by the graph's evaluations, those that graphs have by default, and those with options.

    options: by an evaluation's name, where they differ from the graph's; `{"linear": {}}` asks for it as it is there,
    or by default. sets: changes of the graph. Raises UsageError for an evaluation that is not there, RunError for data
    without labels.
    """
    folder, where = find_run(name, sets), choose_device(device)
    checked, module, header = load_trained(folder, None, where)
    spec = checked.graph.spec
    evaluations = _evaluations(spec.evaluate, options)
    refuse_absent(spec.data)
    data = open_data(spec.data, where, spec.train.seed, spec.train.accumulate)
    if change := change_since(header, data, lambda text: log.warning("%s", text)):
        log.warning("warning: the data set has changed since the checkpoint of '%s': %s", folder.name, change)
    if reason := no_judgement(data):
        raise RunError(f"'{folder.name}' cannot be evaluated: {reason}")
    size = checked.image_size(checked.features or "")
    try:
        with enough_memory("in the evaluation", LESS):
            scores = Judge(evaluations, Context(module, data, checked.data, size, spec.data.batch, where)).scores()
    finally:
        data.close()
    return Evaluated(folder.name, scores, evaluations, (data.judging,) if data.judging else ())


def _evaluations(section: Evaluate, options: Options) -> dict[str, Evaluation]:
    """The evaluations to run, in the order in which they are registered."""
    for name in options:
        try:
            find_evaluation(name)
        except LookupError as error:
            raise UsageError(str(error)) from None
    return {
        name: kind(_config(name, section.asked.get(name) or kind.Config(), options.get(name, {})))
        for name, kind in REGISTRY.items()
        if kind.default or name in section.asked or name in options
    }


def _config(name: str, config: EvaluationConfig, changes: Mapping[str, Any]) -> EvaluationConfig:
    """The options of an evaluation with those that are asked for. Raises UsageError for what it does not take."""
    changed, wrong = validate(type(config), {**config.model_dump(mode="json", by_alias=True), **changes})
    if changed is None:
        message, hint = wrong[0].message, wrong[0].hint
        raise UsageError(f"{name}: {message}" + (f" ({hint})" if hint else ""))
    return changed
