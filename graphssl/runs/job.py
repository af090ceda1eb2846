"""The job that a run is of, under torchrun or Slurm: a job that is started again goes on with its run."""

from __future__ import annotations

import os

from ..console import started
from ..errors import RunError
from .folder import RUNS, RunFolder

__all__ = ["AUTO", "job", "run_to_go_on_with"]

AUTO = "auto"  # of --resume: goes on where the run was, or starts it


def job() -> str | None:
    """What the scheduler calls this job, the same when it starts it again; None where there is none."""
    if started():
        name = os.environ.get("TORCHELASTIC_RUN_ID", "none")
        # An agent of torchrun's on one machine has no name of its own, but outlives the processes that it starts.
        return f"torchrun {os.getppid() if name == 'none' else name}"
    slurm = os.environ.get("SLURM_JOB_ID")
    return None if slurm is None else f"slurm {slurm}"


def run_to_go_on_with(name: str | None, resume: str | None) -> RunFolder | None:
    """The run that this job has begun: where torchrun has started it again, or `--resume auto` asks for it.

    name: of the run, where one is given.
    """
    if resume != AUTO and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
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
