"""How many runs of a study go on at once, and where each computes."""

from __future__ import annotations

import os

import torch

from ...console import cores
from ...data.free import free_bytes
from ...errors import UsageError
from ...train.device import choose_device
from .children import Place

__all__ = ["AUTO", "check_jobs", "places_of"]

AUTO = "auto"
PROCESS = 3 << 29  # bytes that a process takes beside its step: torch, its libraries, pictures of a small set


def check_jobs(jobs: str) -> None:
    """Raises UsageError for what is no number of runs."""
    if jobs != AUTO and not (jobs.isdecimal() and len(jobs) < 10 and int(jobs) > 0):
        raise UsageError(f"--jobs is how many runs go on at once, 1 or more, or {AUTO}, and not '{jobs[:60]}'")


def places_of(jobs: str, device: str, memory: int, runs: int) -> list[Place]:
    """A place for each of the runs that go on at once.

    jobs: how many, or `auto`: one for each GPU; on a CPU one for each core, as far as the memory allows. memory: bytes
    of a step. runs: that there are; never more places than these. Raises UsageError for what is no number.
    """
    check_jobs(jobs)
    kind = choose_device(device).type
    gpus = _visible() if kind == "cuda" and ":" not in device else []
    if jobs == AUTO:
        fitting = max(int(free_bytes() // (memory + PROCESS)), 1)
        count = len(gpus) or (1 if kind != "cpu" else min(cores(), fitting))
    else:
        count = int(jobs)
    count = max(min(count, runs), 1)
    threads = _threads(count) if kind == "cpu" else {}
    if len(gpus) > 1:
        return [Place("cuda", {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]}) for i in range(count)]
    return [Place(device, threads) for _ in range(count)]


def _threads(count: int) -> dict[str, str]:
    """The cores parted among so many; what the user has set stays."""
    if count == 1 or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(cores() // count, 1))}


def _visible() -> list[str]:
    """The GPUs that this process may use, as its environment calls them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named:
        return [name.strip() for name in named.split(",") if name.strip()]
    return [str(i) for i in range(torch.cuda.device_count())]
