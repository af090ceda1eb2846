"""Several runs with one end: a study, a published figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runs.arguments import taking
from .telling import Progress, Report, telling

if TYPE_CHECKING:
    from ..runs.arguments import Device, Sets
    from ..runs.reproduction import Reproduced
    from ..runs.study import Asked, Done, Plan

__all__ = ["ablate", "bridge", "reproduce", "study_report", "sweep"]


@taking
def reproduce(
    reproduction: str | Path, seeds: Sequence[int] = (), *, device: Device = "auto", sets: Sets = (),
    only: str | None = None, report: Report = print, warn: Report | None = None,
) -> Reproduced:  # fmt: skip
    """Runs a published figure's recipe by its name, or its file: training of each seed, evaluation, the ledger's entry.

    seeds: default: the file's. only: "ours" leaves out the other code that some are run beside. What was begun goes on.
    Raises GraphError for a wrong file or graph, UsageError and RunError as `run` and `evaluate`.
    """
    from ..runs.reproduction import reproduce_figure

    say, more = telling(report), list(sets)
    return reproduce_figure(str(reproduction), list(seeds), str(device), more, only, say, warn or say)


@taking
def sweep(
    study: str | Path, vary: Mapping[str, Any] | None = None, seeds: Sequence[int] = (), *, sets: Sets = (),
    where: Sequence[str] = (), sampler: str | None = None, trials: int | None = None, metric: str | None = None,
    prune: str | None = None, name: str | None = None, device: Device = "auto", jobs: str | int = "auto",
    storage: str | None = None, join: bool = False, retry: bool = False, slurm: str | Path | None = None,
    report: Report = print,
) -> Done:  # fmt: skip
    """Runs a study: every cell of what varies with each seed, all of them checked before anything trains.

    study: a graph, with `vary`; a study's file; or the name of one under `studies/`. vary: lists of values, or ranges
    `{"low": 0.01, "high": 1, "log": True}`, by dotted key. where: conditions that cells fulfil. sampler: `grid`, or
    `random` or `tpe`, which draw `trials` cells. metric: by which cells are compared. prune: `median` ends runs that
    are behind the others'. jobs: runs that go on at once. storage: any of Optuna's, default a journal under
    `studies/`. join: takes part in a study that runs elsewhere. retry: runs again what has failed. slurm: a template's
    file; jobs of Slurm run it, which are submitted and not waited for. What was begun goes on. Raises GraphError for a
    graph that is wrong, UsageError for a study that is, RunError for a book that does not open, or jobs that Slurm does
    not take.
    """
    from ..runs.study import study_of

    more = {"where": list(where), "sampler": sampler, "trials": trials, "prune": prune}
    asked = study_of(str(study), vary or {}, _said(seeds, sets, metric, name, **more), storage, join=join)
    return _done(asked, str(device), str(jobs), retry, report, slurm, storage, join)


@taking
def ablate(
    graph: str | Path, parts: Sequence[str] = (), seeds: Sequence[int] = (), *, sets: Sets = (),
    metric: str | None = None, name: str | None = None, device: Device = "auto", jobs: str | int = "auto",
    retry: bool = False, slurm: str | Path | None = None, report: Report = print,
) -> Done:  # fmt: skip
    """What each part of a graph is worth: each taken out, or exchanged for another of its kind, once; as `sweep`.

    parts: a node, `stopgrad`, `augment.flip`; default all. What does not hold is not trained.
    """
    from ..runs.study import ablation_of

    plan = ablation_of(str(graph), _said(seeds, sets, metric, name), list(parts))
    return _done(plan, str(device), str(jobs), retry, report, slurm)


@taking
def bridge(
    first: str | Path, last: str | Path, seeds: Sequence[int] = (), *, sets: Sets = (), metric: str | None = None,
    name: str | None = None, device: Device = "auto", jobs: str | int = "auto", retry: bool = False,
    slurm: str | Path | None = None, report: Report = print,
) -> Done:  # fmt: skip
    """From one graph to another by single edits, each a graph that holds: what each edit gains; as `sweep`."""
    from ..runs.study import bridge_between

    plan = bridge_between(str(first), str(last), _said(seeds, sets, metric, name))
    return _done(plan, str(device), str(jobs), retry, report, slurm)


@taking
def study_report(
    study: str | Path, output: str | Path | None = None, *, storage: str | None = None, features: bool = True,
    device: Device = "auto", progress: Progress | None = None,
) -> Path:  # fmt: skip
    """Writes the page of a study, one file that needs no network, and says where: also of one that goes on, or was
    killed. Nothing is trained.

    study: its name, its file or its folder. output: default `report.html` in its folder. storage: of `sweep`.
    features, device, progress: of `compare`. Raises UsageError for a study that is not there, RunError for a book that
    does not open or a page that cannot be written.
    """
    from ..runs.study.report import report_study

    path = None if output is None else Path(output)
    return report_study(str(study), path, storage, features=features, device=str(device), progress=progress)


def _said(seeds: Sequence[int], sets: Sets, metric: str | None, name: str | None, **more: Any) -> dict[str, Any]:
    """What is said of a study, by the keys of its file; what is not is left out."""
    said = {"seeds": list(seeds), "set": list(sets), "metric": metric, "study": name, **more}
    return {key: value for key, value in said.items() if value not in (None, [])}


def _done(
    plan: Asked | Plan, device: str, jobs: str, retry: bool, report: Report, slurm: str | Path | None,
    storage: str | None = None, join: bool = False,
) -> Done:  # fmt: skip
    from ..runs.study import Options, run_study

    template = None if slurm is None else Path(slurm)
    done = run_study(plan, Options(storage, device, jobs, retry, join, template), telling(report))
    assert done is not None  # nobody is asked
    return done
