"""Where things are kept from one run to the next that can be made again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["user_cache"]


def user_cache() -> Path:
    """`graphssl` in the user's own cache folder; among the temporary files for a user without a home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "graphssl"
    except RuntimeError:  # a container's user, say
        return Path(tempfile.gettempdir(), f"graphssl-{os.getuid()}")
