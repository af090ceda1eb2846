"""Which evaluations a run is judged by, and with which options, as a command says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import UsageError
from ..evaluation.registry import REGISTRY, Evaluation, EvaluationConfig, find_evaluation
from ..graph.language.validation import validate
from ..graph.spec import Evaluate, GraphFile

__all__ = ["Options", "as_changes", "differing", "evaluations_of", "refuse_twice"]

Options = Mapping[str, Mapping[str, Any]]


def as_changes(sets: Sequence[str], protocols: Sequence[str]) -> list[str]:
    """Changes of the graph: `k=5` and `knn.k=5` as `evaluate.knn.k=5`, where `knn` is the one protocol.

    What begins with a section of a graph is one already. Raises UsageError for an option of another evaluation.
    """
    found = []
    for change in sets:
        key = change.partition("=")[0].strip()
        first = key.partition(".")[0].strip()
        if protocols and first in REGISTRY and first not in protocols:
            raise UsageError(f"'{key}' is an option of {first}, which is not run: --protocol {first} does")
        if first in GraphFile.model_fields:
            found.append(change)
        elif len(protocols) == 1 and first != protocols[0] and first not in REGISTRY:
            found.append(f"evaluate.{protocols[0]}.{change}")
        else:
            found.append(f"evaluate.{change}")
    return found


def refuse_twice(changes: Sequence[str], options: Options) -> None:
    """Raises UsageError for an option that is said as one and by a change, of which none would know which counts."""
    for change in changes:
        section, _, rest = change.partition("=")[0].strip().partition(".")
        name, _, key = rest.partition(".")
        if section == "evaluate" and key in options.get(name, {}):
            raise UsageError(f"{key} of {name} is said twice: {options[name][key]} as an option, and by --set {change}")


def evaluations_of(section: Evaluate, options: Options, protocols: Sequence[str]) -> dict[str, Evaluation]:
    """The evaluations to run, in the order in which they are registered. Raises UsageError for one that is not there.

    protocols: which; default: the graph's, those that graphs have by default, and those with options.
    """
    for name in (*options, *protocols):
        try:
            find_evaluation(name)
        except LookupError as error:
            raise UsageError(str(error)) from None
    return {
        name: kind(_config(name, section.asked.get(name) or kind.Config(), options.get(name, {})))
        for name, kind in REGISTRY.items()
        if name in (protocols or options) or (not protocols and (kind.default or name in section.asked))
    }


def _config(name: str, config: EvaluationConfig, changes: Mapping[str, Any]) -> EvaluationConfig:
    """The options of an evaluation with those that are asked for. Raises UsageError for what it does not take."""
    changed, wrong = validate(type(config), {**config.model_dump(mode="json", by_alias=True), **changes})
    if changed is None:
        message, hint = wrong[0].message, wrong[0].hint
        raise UsageError(f"{name}: {message}" + (f" ({hint})" if hint else ""))
    return changed


def differing(evaluation: Evaluation, name: str, own: Evaluate) -> dict[str, Any]:
    """The options that are not those of the run's own graph, or, where it has none of them, the defaults.

    When an evaluation is due during a training changes nothing in what it measures.
    """
    mine, theirs = evaluation.config.named(), (own.asked.get(name) or type(evaluation).Config()).named()
    return {key: value for key, value in mine.items() if key not in evaluation.when and value != theirs.get(key)}
