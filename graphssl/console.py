"""A line on stdout or stderr, which stops nothing where nobody reads it; and of which process it is."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import uuid
from typing import IO, Any

from .errors import escaped

__all__ = [
    "COMMAND",
    "INTERRUPTED",
    "QUIET",
    "STOPPED",
    "cores",
    "discard",
    "ipython",
    "launched",
    "patience",
    "printable",
    "put",
    "restarts",
    "say",
    "speaks",
    "started",
    "write_line",
]

INTERRUPTED = 130  # the exit code of what Ctrl-C has ended
COMMAND = "GRAPHSSL_COMMAND"  # in the environment of processes that a launcher has started: how that was called
QUIET = "GRAPHSSL_QUIET"  # in the environment, also of processes that are started: progress is not shown
STOPPED = 75  # of a run that was stopped from outside, and goes on by `--resume`; EX_TEMPFAIL of sysexits.h


def printable(text: str) -> str:
    """The lines of a text, in which nothing moves a terminal's cursor, colours it or hides."""
    return escaped(text, keep="\n\t")


def say(text: str, *, err: bool = False) -> None:
    """A line before or after the progress, on stdout or stderr. It stops a run as little: the results are on disk."""
    file = sys.stderr if err else sys.stdout
    try:
        write_line(text, file)
    except (OSError, ValueError):
        discard(file)


def ipython() -> Any:
    """The shell of IPython's, or the notebook's, in which this is; None outside of one."""
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()


def put(text: str, end: str = "\n") -> None:
    """What a command was asked for, on stdout. Raises OSError where it cannot be written: nobody has it then."""
    _write(text + end, sys.stdout)


def write_line(text: str, file: IO[str] | None) -> None:
    """Writes a line, or several."""
    _write(text + "\n", file)


def _write(text: str, file: IO[str] | None) -> None:
    """All that is printed goes through here: what could do more than be read is escaped, as is what the encoding does
    not have."""
    if file is None:  # closed before Python began
        return
    encoding = getattr(file, "encoding", None) or "utf-8"
    file.write(printable(text).encode(encoding, "backslashreplace").decode(encoding))
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


def launched() -> bool:
    """Whether `graphssl run --processes` has started this process, and has said what it has read."""
    return started() and COMMAND in os.environ


def restarts() -> int | None:
    """How often torchrun has started this process before, None where torchrun has not started it."""
    count = os.environ.get("TORCHELASTIC_RESTART_COUNT")
    return None if count is None else int(count)


def patience() -> float:
    """Seconds that a silent process is waited for; what is no such number counts as the default, and is told."""
    text = os.environ.get("GRAPHSSL_PATIENCE", "300")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if 0 < seconds < 1e6:
        return seconds
    if speaks():
        say(f"graphssl: GRAPHSSL_PATIENCE is '{text}', and no number of seconds above 0; 300 are taken", err=True)
    return 300.0


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def met(store: Any, rank: int, size: int, patience: float) -> str:
    """A word that only the processes of this start know, by a store of torch's in which those before may have written.

    torch 2.14 reads the addresses of processes that torchrun has started before these. Each says a new word, the first
    says all words, each agrees where its own is among them; until all have. Raises TimeoutError after so many seconds.
    """
    heard, agreed = ([f"graphssl/{what}/{i}" for i in range(size)] for what in ("heard", "agreed"))
    word, until = uuid.uuid4().hex.encode(), time.monotonic() + patience
    store.set(heard[rank], word)
    while time.monotonic() < until:
        if rank == 0 and store.check(heard):
            store.set("graphssl/all", b" ".join(store.multi_get(heard)))
        words: bytes = store.get("graphssl/all") if store.check(["graphssl/all"]) else b""
        if words.split()[rank : rank + 1] == [word]:
            store.set(agreed[rank], words)
            if rank == 0 and store.check(agreed) and set(store.multi_get(agreed)) == {words}:
                store.set("graphssl/met", words)
            if store.check(["graphssl/met"]) and store.get("graphssl/met") == words:
                return words.split()[0].decode()
        time.sleep(0.05)
    raise TimeoutError(f"not all {size} have come within {patience:g} s")
