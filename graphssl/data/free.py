"""How much memory this process may still take: of the machine, of its container or job, and by its own limit."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

__all__ = ["UNLIMITED", "free_bytes"]

UNLIMITED = 1 << 62
GROUPS, OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
KINDS = {  # of the two kinds of control groups: the limit, what is used, and what of it can be given back
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def free_bytes() -> int:
    """Bytes that may be used without swapping; what is not known is no limit."""
    limits = [UNLIMITED, *_of_groups()]
    with contextlib.suppress(OSError, ValueError, AttributeError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits.append(int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):
        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        if most != resource.RLIM_INFINITY:
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            limits.append(most - taken)
    return max(min(limits), 0)


def _of_groups() -> Iterator[int]:
    """What each control group leaves in which this process is, and those around them."""
    with contextlib.suppress(OSError, ValueError):
        for line in OWN_GROUP.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            kind = "memory" if "memory" in controllers.split(",") else controllers
            if kind in KINDS:
                base = GROUPS / kind
                here = base / path.lstrip("/")
                around = [folder for folder in (here, *here.parents) if folder == base or base in folder.parents]
                yield from (left for folder in around if (left := _left_in(folder, *KINDS[kind])) is not None)


def _left_in(folder: Path, most: str, used: str, given_back: str) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        limit = int((folder / most).read_text())  # the word max where there is none
        taken = int((folder / used).read_text())
        with contextlib.suppress(OSError, ValueError):
            facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            taken -= int(facts.get(given_back, 0))
        return max(limit - max(taken, 0), 0)
    return None
