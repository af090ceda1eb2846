"""How far something is that takes a while: one line on a terminal, else a line now and then. On stderr."""

from __future__ import annotations

import contextlib
import sys
import time

from ..console import say

__all__ = ["Counting"]

LIVE_SECONDS, PLAIN_SECONDS = 0.2, 10.0


class Counting:
    """Says how many are done when it is called with that and the total; what takes less than a second says nothing."""

    def __init__(self, what: str) -> None:
        self._what, self._live = what, sys.stderr is not None and sys.stderr.isatty()
        self._start: tuple[float, int] | None = None  # when it was called first, and with how many
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._start is None:
            self._start, self._next = (now, done), now + 1
        if now < self._next or done >= total:
            return
        self._next = now + (LIVE_SECONDS if self._live else PLAIN_SECONDS)
        speed = (done - self._start[1]) / (now - self._start[0])
        line = f"{self._what}: {done:,} of {total:,}, {speed:,.0f} a second"
        if self._live:
            self._write(f"\r{line}\x1b[K")
        else:
            say(line, err=True)

    def close(self) -> None:
        """Clears the line of a terminal."""
        if self._live:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads: that stops nothing
            sys.stderr.write(text)
            sys.stderr.flush()
