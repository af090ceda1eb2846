"""The job that a run is of, under torchrun or Slurm: a job that is started again goes on with its run."""

from __future__ import annotations

import os

from ..console import restarts
from ..errors import RunError, Stopped
from ..world import the_same
from .folder import RUNS, RunFolder

__all__ = ["AUTO", "STOPPED_IN", "allocation", "end_where_stopped", "job", "run_to_go_on_with"]

STOPPED_IN = "stopped_in"  # in a run's facts: the allocation that it was stopped in
AUTO = "auto"  # of --resume: goes on where the run was, or starts it


def job() -> str | None:
    """What the scheduler calls this job, the same when it starts it again; None where there is none."""
    if restarts() is not None:
        name = os.environ.get("TORCHELASTIC_RUN_ID", "none")
        # An agent of torchrun's on one machine has no name of its own, but outlives the processes that it starts.
        return f"torchrun {os.getppid() if name == 'none' else name}"
    slurm = os.environ.get("SLURM_JOB_ID")
    return None if slurm is None else f"slurm {slurm}"


def allocation() -> str | None:
    """The job as often as it has begun: machines that a scheduler gives, and takes back."""
    return job() and f"{job()}, {os.environ.get('SLURM_RESTART_COUNT', '0')}"


def end_where_stopped(folder: RunFolder | None) -> None:
    """Raises Stopped where torchrun starts a run again that was stopped from outside: the machine is needed."""
    if folder is None or not restarts():
        return
    found = folder
    if the_same(lambda: found.facts().get(STOPPED_IN) == allocation()):
        raise Stopped("the signal that has stopped it in this job", folder.name)


def run_to_go_on_with(name: str | None, resume: str | None) -> RunFolder | None:
    """The run that this job has begun: where torchrun has started it again, or `--resume auto` asks for it.

    name: of the run, where one is given.
    """
    if resume != AUTO and not restarts():
        return None
    if name is not None:
        named = RunFolder(RUNS / name)
        return named if named.graph.is_file() else None
    mine = job()
    found = [folder for folder in _runs() if mine is not None and _job_of(folder) == mine]
    return max(found, key=lambda folder: folder.graph.stat().st_mtime, default=None)


def _runs() -> list[RunFolder]:
    return [RunFolder(path.parent) for path in RUNS.glob("*/graph.yaml")]


def _job_of(folder: RunFolder) -> object:
    try:
        return folder.facts().get("job")
    except RunError:  # another run's affair
        return None
