"""Whether a run has to end: asked after each step, and decided by all processes together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..console import INTERRUPTED, STOPPED
from ..world import current, everywhere
from .signals import Interrupt

__all__ = ["Stop"]


class Stop:
    """What the training loop asks of the signals that have come."""

    def __init__(self, interrupt: Interrupt) -> None:
        self._interrupt = interrupt

    def __call__(self) -> int:
        """The exit code to end with, 0 to go on. From now on signals ask."""
        self._interrupt.at_once = False
        if not everywhere(self._interrupt.requested):
            return 0
        return STOPPED if everywhere(self._interrupt.requested and self._interrupt.code == STOPPED) else INTERRUPTED

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """For what may take minutes and can be done again: a process alone raises Stopped meanwhile."""
        self._interrupt.at_once = current().size == 1
        try:
            yield
        finally:
            self._interrupt.at_once = False
