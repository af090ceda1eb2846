"""Interruption: the first signal asks for a clean end, a second Ctrl-C ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

from ..console import speaks

__all__ = ["Interrupt"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOTICE = b"\nstopping after this step; Ctrl-C again stops at once, without another checkpoint\n"


class Interrupt:
    """While entered, SIGINT and SIGTERM set `requested`, which the training loop asks for after each step.

    A SIGINT after that raises KeyboardInterrupt. A signal that the process was started to ignore (a job in the
    background of a script) stays ignored. Outside of the main thread it does nothing: only there can handlers be set.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                previous = signal.getsignal(number)
                if previous is not signal.SIG_IGN:
                    # None stands for a handler that was not set from Python, and cannot be set again.
                    self._previous[number] = previous or signal.SIG_DFL
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self.requested = True
        if number == signal.SIGINT and sys.__stderr__ is not None and speaks():
            with contextlib.suppress(OSError, ValueError):
                os.write(sys.__stderr__.fileno(), NOTICE)  # print is not reentrant
