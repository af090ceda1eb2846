"""Several runs with one end: a study, a published figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runs.arguments import taking
from .telling import Report, telling

if TYPE_CHECKING:
    from ..runs.arguments import Device, Sets
    from ..runs.reproduction import Reproduced
    from ..runs.study import Done

__all__ = ["reproduce"]


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
    storage: str | None = None, join: bool = False, retry: bool = False, report: Report = print,
) -> Done:  # fmt: skip
    """Runs a study: every cell of what varies with each seed, all of them checked before anything trains.

    study: a graph, with `vary`; a study's file; or the name of one under `studies/`. vary: lists of values, or ranges
    `{"low": 0.01, "high": 1, "log": True}`, by dotted key. where: conditions that cells fulfil. sampler: `grid`, or
    `random` or `tpe`, which draw `trials` cells. metric: by which cells are compared. prune: `median` ends runs that
    are behind the others'. jobs: runs that go on at once. storage: any of Optuna's, default a journal under
    `studies/`. join: takes part in a study that runs elsewhere. retry: runs again what has failed. What was begun goes
    on. Raises GraphError for a graph that is wrong, UsageError for a study that is, RunError for a book that does not
    open.
    """
    from ..runs.study import Options, run_study, study_of

    said = {
        "seeds": list(seeds), "set": list(sets), "where": list(where), "sampler": sampler, "trials": trials,
        "metric": metric, "prune": prune, "study": name,
    }  # fmt: skip
    asked = study_of(str(study), vary or {}, {k: v for k, v in said.items() if v not in (None, [])}, storage)
    done = run_study(asked, Options(storage, str(device), str(jobs), retry, join), telling(report))
    assert done is not None  # nobody is asked
    return done
