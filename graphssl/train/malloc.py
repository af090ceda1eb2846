"""What the C library does with the memory that a step frees."""

from __future__ import annotations

import ctypes
import os

__all__ = ["keep_freed"]

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # mallopt's names for them
LARGEST = 2**31 - 1, 32 * 2**20  # bytes; glibc takes no more


def keep_freed() -> None:
    """Has the process keep the memory that a step on the CPU frees, for the next one.

    glibc returns large pieces to the system, which clears each page before it gives it out again: a tenth of the time
    of a ResNet-18's step. Another C library is left alone, and so is glibc where the user has told it what to do.
    """
    if any(name.startswith("MALLOC_") for name in os.environ) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        for name, value in zip((TRIM_THRESHOLD, MMAP_THRESHOLD), LARGEST, strict=True):
            mallopt(name, value)
