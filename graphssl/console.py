"""A line on stdout or stderr, which stops nothing where nobody reads it; and which of several processes says it."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import IO

__all__ = ["INTERRUPTED", "discard", "printable", "say", "speaks", "started", "write_line"]

INTERRUPTED = 130  # the exit code of a run that was asked to stop


def printable(text: str) -> str:
    """The text without what moves a terminal's cursor, colours it or hides."""
    return "".join(c for c in text if c.isprintable() or c == "\n")


def say(text: str, *, err: bool = False) -> None:
    """A line before or after the progress, on stdout or stderr. It stops a run as little: the results are on disk."""
    file = sys.stderr if err else sys.stdout
    try:
        write_line(text, file)
    except (OSError, ValueError):
        discard(file)


def write_line(text: str, file: IO[str] | None) -> None:
    """Writes a line; what the encoding does not have is escaped."""
    if file is None:  # closed before Python began
        return
    encoding = getattr(file, "encoding", None) or "utf-8"
    file.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    file.flush()


def discard(file: IO[str]) -> None:
    """Points a stream nowhere, so that neither later prints nor the interpreter's last flush fail."""
    with contextlib.suppress(OSError, ValueError):
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, file.fileno())
        os.close(handle)


def started() -> bool:
    """Whether torchrun has started this process, and others beside it."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def speaks() -> bool:
    """Whether this process speaks for all of them, also before they have found each other."""
    return os.environ.get("RANK", "0") == "0"
