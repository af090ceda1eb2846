"""Where things are kept from one run to the next that can be made again."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

__all__ = ["remove_unused", "user_cache"]

UNUSED = 30 * 24 * 3600  # seconds


def user_cache() -> Path:
    """`graphssl` in the user's own cache folder; among the temporary files for a user without a home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "graphssl"
    except RuntimeError:  # a container's user, say
        return Path(tempfile.gettempdir(), f"graphssl-{os.getuid()}")


def remove_unused(folder: Path) -> None:
    """Removes the files under a folder that nobody has read or written for 30 days.

    Where a file system does not note reading (noatime), nothing is known of their use, and all stay; so do empty ones:
    locks, which take no room. What cannot be removed, or another process removes at the same time, is no error.
    """
    with contextlib.suppress(OSError):
        if os.statvfs(folder).f_flag & getattr(os, "ST_NOATIME", 0):
            return
    before = time.time() - UNUSED
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                facts = os.lstat(path := os.path.join(parent, name))
                if facts.st_size and max(facts.st_atime, facts.st_mtime) < before:
                    os.unlink(path)
