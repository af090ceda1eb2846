"""Signals that end a run: at once where nothing is trained yet, else after the step that is under way."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, ClassVar

from ..console import INTERRUPTED, STOPPED, restarts, speaks
from ..errors import Stopped

__all__ = ["Interrupt"]

# From outside: a scheduler that needs the machine, a spot machine that goes away, a terminal that is closed.
OUTSIDE = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
NOTICE = b"\nstopping after this step; Ctrl-C again stops at once, without another checkpoint\n"


class Interrupt:
    """While entered, signals end what is done; where it is entered already, the same goes on.

    SIGTERM, SIGUSR1 and SIGHUP raise Stopped while `at_once`, that is until a step is done; later they ask, and the
    training loop looks after each step. Ctrl-C raises KeyboardInterrupt until `training`, then asks too; a second one
    raises. A signal that the process was started to ignore (a job in the background of a script, nohup) stays ignored.
    Outside of the main thread it does nothing: only there can handlers be set. An agent of torchrun's that is gone, by
    a signal that it does not pass on, say, asks as a signal from outside does.
    """

    entered: ClassVar[Interrupt | None] = None

    def __init__(self) -> None:
        self.training, self.at_once = False, True
        self._asked: int | None = None
        self._previous: dict[signal.Signals, Any] = {}
        self._agent = os.getppid() if restarts() is not None else None

    @property
    def requested(self) -> bool:
        """Whether the run is asked to end."""
        return self._asked is not None or self._is_alone()

    @property
    def code(self) -> int:
        """The exit code of a run that was asked so: whether from outside, or by Ctrl-C."""
        return INTERRUPTED if self._asked == signal.SIGINT else STOPPED

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is not threading.main_thread():
            return self
        if Interrupt.entered is not None:
            return Interrupt.entered
        Interrupt.entered = self
        for number in (signal.SIGINT, *OUTSIDE):
            previous = signal.getsignal(number)
            if previous is not signal.SIG_IGN:
                # None stands for a handler that was not set from Python, and cannot be set again.
                self._previous[number] = previous or signal.SIG_DFL
                signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if Interrupt.entered is self:
            for number, previous in self._previous.items():
                signal.signal(number, previous)
            self._previous.clear()
            Interrupt.entered = None
            if (
                self.at_once and self._asked in OUTSIDE and isinstance(error, Exception)
            ):  # it hit what took it otherwise
                raise Stopped(signal.Signals(self._asked).name) from error

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first, self._asked = self._asked is None, number if self._asked is None else self._asked
        if number == signal.SIGINT:
            if not first or not self.training:
                raise KeyboardInterrupt
            if sys.__stderr__ is not None and speaks():
                with contextlib.suppress(OSError, ValueError):
                    os.write(sys.__stderr__.fileno(), NOTICE)  # print is not reentrant
        elif first and self.at_once:
            raise Stopped(signal.Signals(number).name)

    def _is_alone(self) -> bool:
        return self._agent is not None and os.getppid() != self._agent
