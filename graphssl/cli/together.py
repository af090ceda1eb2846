"""A run by several processes, started here as torchrun would start them."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence

from ..console import COMMAND, cores
from ..errors import RunError, UsageError, reason_of

__all__ = ["run_together"]

SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"


def run_together(
    graph: str | None, sets: Sequence[str], processes: str, options: Mapping[str, str | None]
) -> int:  # fmt: skip
    """Checks the graph once, then runs it in so many processes; gives the exit code. options: of `graphssl run`."""
    from .. import api, world
    from ..checks.checked import check_parts
    from ..train.distributed import launch

    count = _count(processes)
    if graph is not None:
        check_parts(api.check(graph, sets), count)
    given = [f"{key}={value}" for key, value in options.items() if value is not None]
    arguments = ["run", *([graph] if graph is not None else []), *given, *(f"--set={change}" for change in sets)]
    _prepare(max(cores() // count, 1), world.PATIENCE.total_seconds())
    try:
        return launch(arguments, count)
    except Exception as error:  # of torchrun's, which knows several machines
        raise RunError(f"the processes cannot be started: {reason_of(error)}") from error


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
        (COMMAND, shlex.join(sys.argv)),
        ("OMP_NUM_THREADS", f"{threads}"),
        ("PET_MONITOR_INTERVAL", "0.1"),
        ("PET_SIGNALS_TO_HANDLE", SIGNALS),  # passed on
        ("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", f"{patience:.0f}"),
    ):
        os.environ.setdefault(name, value)
