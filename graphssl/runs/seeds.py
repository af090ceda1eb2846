"""Runs that are the same but for their seed, and what their figures are together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..evaluation.registry import bounds_of
from ..evaluation.spread import Spread
from ..graph.changes import described, differences
from ..graph.graph import Graph
from ..graph.read import load
from ..train.checkpoint import Checkpoints
from .evaluate import Evaluated, evaluate_run
from .folder import find_run
from .protocols import Options

if TYPE_CHECKING:
    import pandas

__all__ = ["Group", "evaluate_runs", "grouped", "same_but_seed"]

SEED, LENGTH = "train.seed", ("train.epochs", "train.steps")


@dataclass(frozen=True)
class Group:
    """Runs of one graph. seeds: of each. spreads: by metric, of those that all have."""

    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    spreads: Mapping[str, Spread]

    def frame(self) -> pandas.DataFrame:
        """A row for each metric: its mean over the seeds, and the ends of its 95 % interval where there are several."""
        import pandas

        rows = {name: (one.mean, *(one.interval or (None, None))) for name, one in self.spreads.items()}
        return pandas.DataFrame.from_dict(rows, orient="index", columns=["mean", "low", "high"], dtype=float)


def evaluate_runs(
    runs: Sequence[str], options: Options, device: str, sets: Sequence[str], protocols: Sequence[str], data: str | None,
    report: Callable[[Evaluated], None] | None,
) -> list[Group]:  # fmt: skip
    """Each as `evaluate_run` has it, then in groups. Raises UsageError for none, for one that is named twice, and
    for those that are not there or have no checkpoint before any is evaluated."""
    if not runs:
        raise UsageError("name a run, or several")
    if twice := [run for i, run in enumerate(runs) if run in runs[:i]]:
        raise UsageError(f"the run '{twice[0]}' is named twice")
    _refuse_absent(runs)
    found = []
    for run in runs:
        found.append(evaluate_run(run, options, device, sets, protocols=protocols, data=data))
        if report is not None:
            report(found[-1])
    return grouped(found)


def _refuse_absent(runs: Sequence[str]) -> None:
    """Of several runs all that are wrong, at once; of one `evaluate_run` tells."""
    if len(runs) < 2:
        return
    wrong: list[str] = []
    named: dict[Path, str] = {}
    for run in runs:
        try:
            folder = find_run(run)
        except UsageError as error:
            wrong.append(str(error))
            continue
        if (other := named.setdefault(folder.path.resolve(), run)) != run:
            wrong.append(f"'{other}' and '{run}' are the same run")
        elif Checkpoints(folder.checkpoints).latest_path() is None:
            wrong.append(f"the run '{run}' has no checkpoint yet")
    if wrong:
        raise UsageError("\n  ".join([*(["nothing has been evaluated"] if len(wrong) > 1 else []), *wrong]))


def grouped(found: Sequence[Evaluated]) -> list[Group]:
    """In the order of the first of each group; a run that is like no other is a group of its own."""
    graphs = [load(find_run(one.folder).graph) for one in found]
    return [_summed([(graphs[i], found[i]) for i in group]) for group in same_but_seed(graphs)]


def same_but_seed(graphs: Sequence[Graph]) -> list[list[int]]:
    """The places of graphs that differ in their seed alone, together, in the order of the first of each group."""
    told = [described(graph) for graph in graphs]
    groups: list[list[int]] = []
    for i, graph in enumerate(graphs):
        for group in groups:
            seeds = {graphs[k].spec.train.seed for k in group}
            if graph.spec.train.seed not in seeds and _alike(told[group[0]], told[i]):
                group.append(i)
                break
        else:
            groups.append([i])
    return groups


def _alike(first: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether only the seed differs, and what changes nothing in what is computed."""
    changes = [c for c in differences(first, other) if not c.free or c.key in LENGTH]
    return {c.key for c in changes} == {SEED}


def _summed(group: Sequence[tuple[Graph, Evaluated]]) -> Group:
    runs = [one for _, one in group]
    shared = [metric for metric in runs[0].scores if all(metric in other.scores for other in runs)]
    spreads = {metric: Spread.of([one.scores[metric] for one in runs], bounds_of(metric)) for metric in shared}
    return Group(tuple(one.run for one in runs), tuple(g.spec.train.seed for g, _ in group), spreads)
