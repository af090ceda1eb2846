"""A run by several processes, started here as torchrun would start them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import UsageError

__all__ = ["run_together"]


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
    return world.launch(arguments, count)


def _count(processes: str) -> int:
    if processes == "auto":
        import torch

        return max(torch.cuda.device_count(), 1)
    if not processes.isdecimal() or int(processes) < 1:
        raise UsageError(f"'{processes}' is no number of processes: 2, say, or auto, one for each GPU")
    return int(processes)
