"""What the evaluations of a run lack, told before it trains, or goes on, and before features are made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ..checks.checked import Checked
from ..checks.evaluations import Known, Told, known_of, lacks_of, problem_of, told_of
from ..data import Datasets
from ..errors import Problem, Problems, RunError
from ..evaluation.judge import build_evaluations
from ..evaluation.registry import Evaluation
from ..graph.layers import layers_of

__all__ = ["able", "possible", "tell_lacks"]

Evaluations = Mapping[str, Evaluation]


def tell_lacks(
    checked: Checked, data: Datasets, report: Callable[[str], None], said: Collection[Problem] = (), *, begins: bool
) -> None:
    """Says what the graph's evaluations lack in these data. said: what has been, already.

    begins: a run that begins does not where an evaluation cannot be, with a GraphError; one that goes on leaves it out.
    """
    if not checked.judged:
        return
    evaluations, found = build_evaluations(checked.graph.spec.evaluate.asked), Problems()
    told = {problem_of(checked.graph, one): one for one in told_of(evaluations, _known(checked, data))}
    new = [problem for problem in told if problem not in said]
    if begins:
        found.merge(new)
        found.stop()
    for one in (told[problem] for problem in new):
        report(one.line if one.lack.labels else f"warning: {_left_out(one) if one.lack.stops else one.whole}")


def _left_out(told: Told) -> str:
    return f"{', '.join(told.names)} is left out: {told.whole}"


def _known(checked: Checked, data: Datasets) -> Known:
    modules, originals = checked.shapes.modules, [checked.graph.original(name) for name in checked.judged]
    ordered = all(name in modules and layers_of(modules[name]) for name in originals)
    return known_of(checked.graph, data.counts, ordered)


def able(evaluations: Evaluations, checked: Checked, data: Datasets) -> dict[str, Evaluation]:
    """Those that lack nothing without which they cannot be."""
    found = lacks_of(evaluations, _known(checked, data))
    prevented = {name for name, lacks in found.items() if any(lack.prevents for lack in lacks)}
    return {name: kind for name, kind in evaluations.items() if name not in prevented}


def possible(
    evaluations: Evaluations, checked: Checked, data: Datasets, *, asked: bool, run: str, on: str | None
) -> tuple[dict[str, Evaluation], tuple[str, ...]]:
    """The evaluations that these data allow, and what is said of it.

    asked: whether they were asked for by name: then a RunError says which of them cannot be, as where none can. on:
    what other data than the run's are called.
    """
    there, told = able(evaluations, checked, data), told_of(evaluations, _known(checked, data))
    prevented = [one for one in told if one.lack.prevents]
    if prevented and (asked or not there):
        raise RunError(_refusal(prevented, run, on))
    notes = [_left_out(one) if one in prevented and not one.lack.labels else one.whole for one in told]
    judging = data.judging if any(kind.needs_labels for kind in there.values()) else None
    return there, (*((judging,) if judging else ()), *notes)


def _refusal(prevented: list[Told], run: str, on: str | None) -> str:
    """Of what cannot be, and why."""
    where = "" if on is None else f" on '{on}'"
    whose = [", ".join(one.names) for one in prevented]
    why = [one.lack.message if one.lack.option is None else one.whole for one in prevented]
    if len(prevented) == 1:
        return f"'{run}' cannot be evaluated by {whose[0]}{where}: {why[0]}"
    lines = [f"by {who}: {reason}" for who, reason in zip(whose, why, strict=True)]
    return "\n  ".join([f"'{run}' cannot be evaluated{where}", *lines])
