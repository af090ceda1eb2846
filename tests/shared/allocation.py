"""Memory that a function takes, counted by the allocator: no clock, and no look at the process."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def allocated(function: Callable[[], object]) -> tuple[int, int]:
    """Bytes of the largest tensor that a function makes, and of the most that it holds at a time."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        function()
    changes = [e.nbytes() for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = torch.tensor([0, *changes]).cumsum(0)
    return max(changes, default=0), int(held.max())
