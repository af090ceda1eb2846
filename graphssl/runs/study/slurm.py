"""A study on a cluster: an array of Slurm's jobs, each of which takes part in it until nothing waits."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import Problems, RunError, reason_of
from ..written import read_written
from .book import Book
from .plan import Plan
from .template import MOST_TASKS, Template

__all__ = ["check_cluster", "submit"]

LOGS = "slurm"  # the folder in the study's
LOOK = 0.5  # seconds between two looks at the process
DELAY = 120  # seconds before a job's end in which runs write their checkpoints
REQUEUED = 1_000  # times that a job whose time is up goes on, each from checkpoints
INTERPRETER = sys.executable
WITHOUT = 'jobs of Slurm need submitit: pip install "graphssl[slurm]"'


@dataclass
class Part:
    """What a job of the array does: `graphssl sweep NAME --join`, in the folder of the study's runs.

    Before its time is up, or where its node is wanted, runs write their checkpoints and wait to be taken; the job goes
    into the queue again.
    """

    words: tuple[str, ...]
    folder: str
    python: str
    pid: int | None = None

    def __call__(self) -> int:
        process = subprocess.Popen([self.python, "-m", "graphssl", *self.words], cwd=self.folder, preexec_fn=_deaf)
        self.pid = process.pid
        while process.poll() is None:
            time.sleep(LOOK)
        return process.returncode

    def checkpoint(self) -> Any:
        """Ends the runs. Called by submitit in a handler, which may not wait for what `__call__` waits for."""
        import submitit

        if self.pid is not None:
            os.kill(self.pid, signal.SIGTERM)
            while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                time.sleep(LOOK)
        return submitit.helpers.DelayedSubmission(Part(self.words, self.folder, self.python))


def _deaf() -> None:
    """Slurm warns all processes of a job: the runs are ended in turn."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def check_cluster(file: Path) -> Template:
    """The template of a file, where jobs can be submitted. Raises GraphError with all that is wrong in it, UsageError
    where it cannot be read, RunError where this is no cluster."""
    template, _ = read_written(file, Template, "a template of Slurm's jobs", problems := Problems())
    problems.stop()
    assert template is not None
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise RunError(WITHOUT) from None
    missing = [name for name in ("sbatch", "srun") if shutil.which(name) is None]
    if missing:
        raise RunError(f"{' and '.join(missing)} cannot be found: jobs are submitted where Slurm's commands are")
    return template


def submit(plan: Plan, book: Book, template: Template, words: Sequence[str]) -> str:
    """Submits the array for what waits, unless the one that was submitted before is there still; what to say of it.

    words: of the command, after the study's name. Raises RunError where Slurm does not take it.
    """
    states = [trial.state for trial in book.trials()]
    todo = states.count("waiting") if plan.cells is not None else plan.runs - len(states) + states.count("waiting")
    if not todo:
        return "nothing is submitted: no run waits"
    before = book.facts().get("slurm", [])
    if queued := _queued(before):
        return (
            f"nothing is submitted: {todo} wait, and Slurm still has {', '.join(queued)}, which was submitted for them"
        )
    count = min(template.tasks or MOST_TASKS, todo)
    part = Part(("sweep", plan.asked.name, "--join", "--jobs", template.jobs, *words), os.getcwd(), INTERPRETER)
    job = _submitted(plan, template, part, count)
    book.note(slurm=[*before, job])
    tasks = f"an array of {count} tasks" if count > 1 else "a job"
    return (
        f"submitted {job}, {tasks} for {todo} run{'s' * (todo > 1)}: logs are in {plan.folder / LOGS}/, "
        "and the same command says how it stands"
    )


def _submitted(plan: Plan, template: Template, part: Part, count: int) -> str:
    """The array's number."""
    import submitit

    executor = submitit.SlurmExecutor(folder=(plan.folder / LOGS).resolve(), max_num_timeout=REQUEUED)
    executor.update_parameters(job_name=plan.asked.name, signal_delay_s=DELAY, **template.parameters())
    try:
        with executor.batch():
            jobs = [executor.submit(part) for _ in range(count)]
        return str(jobs[0].job_id).partition("_")[0]
    except Exception as error:  # submitit's, of sbatch
        raise RunError(f"Slurm did not take the jobs: {reason_of(error)}") from error


def _queued(jobs: Sequence[str]) -> list[str]:
    """Which of these Slurm still has; none where it does not say."""
    if not jobs or shutil.which("squeue") is None:
        return []
    words = ["squeue", "--noheader", "--array-unique", "--format", "%F", "--jobs", ",".join(jobs)]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return sorted(set(said.split()) & set(jobs))
