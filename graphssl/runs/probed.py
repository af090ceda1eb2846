"""What a run's online probe can be asked after the training: what it has learnt, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from ..checks.checked import validated
from ..data import Datasets
from ..errors import RunError
from ..evaluation.online import unlike
from ..evaluation.probe import Probe
from ..evaluation.registry import Evaluation
from ..graph.graph import Graph
from ..graph.read import load
from .folder import RunFolder
from .protocols import differing
from .trained import Trained

__all__ = ["of_what_was_probed", "without_another_s"]

PROBE = "probe"


def of_what_was_probed(folder: RunFolder, own: Graph, named: Collection[str]) -> tuple[RunFolder, tuple[str, ...]]:
    """The run without the probe of its graph, and what is said of it, where that has not learnt from what is judged.

    own: the run's graph as it was trained. named: evaluations that are asked for by name: with the probe among them a
    RunError says why.
    """
    section = load(folder.graph, folder.sets).spec.evaluate
    if PROBE not in section.asked or PROBE not in own.spec.evaluate.asked or not section.named:
        return folder, ()
    learnt, first = next(iter(own.spec.evaluate.named), None) or validated(own).features, section.named[0]
    if first == learnt:
        return folder, ()
    why = f"it has learnt from '{learnt}', and not from '{first}'"
    if PROBE in named:
        raise _refused(folder.name, why)
    left = replace(folder, sets=(*folder.sets, f"evaluate.{PROBE}=null"))
    return left, () if named else (f"{PROBE} is left out: {why}",)


def without_another_s(
    evaluations: Mapping[str, Evaluation], own: Graph, trained: Trained, data: Datasets, run: str, *, asked: bool
) -> tuple[dict[str, Evaluation], tuple[str, ...]]:  # fmt: skip
    """The evaluations without a probe that was trained with other options, or on other classes; what is said of it.

    data: that it would be judged on.
    """
    state = trained.header.get("probe", {})
    probe = evaluations.get(PROBE)
    if not isinstance(probe, Probe) or not state:
        return dict(evaluations), ()
    options = ", ".join(f"{key} {value:g}" for key, value in differing(probe, PROBE, own.spec.evaluate).items())
    why = f"it was not trained with {options}" if options else unlike(state, None, data.classes)
    if why is None:
        return dict(evaluations), ()
    others = {name: kind for name, kind in evaluations.items() if name != PROBE}
    if asked or not others:
        raise _refused(run, why)
    return others, (f"{PROBE} is left out: {why}",)


def _refused(run: str, why: str) -> RunError:
    return RunError(f"'{run}' cannot be evaluated by {PROBE}: {why}; `linear` learns after the training")
