"""A run by several processes, started here as torchrun would start them."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping, Sequence

from ..console import INTERRUPTED, STOPPED, cores
from ..errors import RunError, UsageError, reason_of

__all__ = ["run_together"]

SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"


def run_together(
    graph: str | None, sets: Sequence[str], processes: str, options: Mapping[str, str | None]
) -> int:  # fmt: skip
    """Checks the graph once, then runs it in so many processes; gives the exit code. options: of `graphssl run`."""
    from .. import api, world

    count = _count(processes)
    if graph is not None:
        api.check(graph, sets)
    given = [f"{key}={value}" for key, value in options.items() if value is not None]
    arguments = ["run", *([graph] if graph is not None else []), *given, *(f"--set={change}" for change in sets)]
    _prepare(max(cores() // count, 1), world.PATIENCE.total_seconds())
    try:
        return _launch(arguments, count)
    except Exception as error:  # of torchrun's, which knows several machines
        raise RunError(f"the processes cannot be started: {reason_of(error)}") from error


def _launch(arguments: Sequence[str], processes: int) -> int:
    """Runs `python -m graphssl` with these arguments in so many processes; gives their exit code, as torchrun does not.

    By torchrun's own launcher, with the options that it reads from the environment, such as PET_NNODES.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed.elastic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # a process says itself why it ends
    try:
        run(parse_args([f"--nproc-per-node={processes}", "-m", "graphssl", *arguments]))
    except SignalException as ended:  # the processes have had it too, and have stopped by themselves
        return INTERRUPTED if ended.sigval == signal.SIGINT else STOPPED
    except ChildFailedError as error:
        _, first = error.get_first_failure()
        return first.exitcode if first.exitcode > 0 else 1
    return 0


def _count(processes: str) -> int:
    if processes == "auto":
        import torch

        return max(torch.cuda.device_count(), 1)
    if not processes.isdecimal() or int(processes) < 1:
        raise UsageError(f"'{processes}' is no number of processes: 2, say, or auto, one for each GPU")
    return int(processes)


def _prepare(threads: int, patience: float) -> None:
    """What torchrun reads from the environment, where nothing else is said there.

    patience: seconds that processes have for their checkpoint, once a signal has come.
    """
    for name, value in (
        ("OMP_NUM_THREADS", f"{threads}"),
        ("PET_MONITOR_INTERVAL", "0.1"),
        ("PET_SIGNALS_TO_HANDLE", SIGNALS),  # passed on
        ("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", f"{patience:.0f}"),
    ):
        os.environ.setdefault(name, value)
