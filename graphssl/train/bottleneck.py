"""What limits a training: data, launches or arithmetic. Seen from the host, without waiting for the device."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch

from ..world import current
from .replay import WARM_UP

__all__ = ["Limits"]

T = TypeVar("T")
Clock = Callable[[], float]  # seconds
Idle = Callable[[], bool]
ENOUGH = 8  # steps that say something, of a few it is chance
FASTER_DATA = "more data.workers, or data.resident: memory, helps"


class Limits:
    """Notes, step by step, how long the host waited for data, and whether the device had run out of work.

    A batch that comes while the device is busy has kept nobody waiting: the host, when it is too far ahead, is held
    back where it asks for the next one. The first steps are left out: in them kernels are chosen and compiled, and the
    step is recorded.
    idle: whether the device has done all that it was given; on a CUDA device an event behind each step says so, and
    a CPU is busy whenever the host is. compiled: whether the steps are.
    """

    def __init__(
        self, device: torch.device, clock: Clock = time.perf_counter, idle: Idle | None = None, compiled: bool = False
    ) -> None:
        self._clock = clock
        self._device, self._compiled = device, compiled
        self._event = torch.cuda.Event() if device.type == "cuda" else None
        self._idle = idle if self._event is None else self._event.query
        self._left_out = WARM_UP + 1 if device.type == "cuda" else 1
        self._steps = self._idles = 0
        self._data = self._launch = self._between = 0.0  # seconds
        self._ended: float | None = None
        self._said = False

    def waits(self, values: Iterable[T]) -> Iterator[T]:
        """The values of an epoch; the time that they take to come is waiting for data."""
        iterator = iter(values)
        self._ended = None
        while True:
            began = self._clock()
            if self._counts() and self._ended is not None:
                self._between += began - self._ended
            try:
                value = next(iterator)
            except StopIteration:
                return
            if self._counts():
                waited = self._clock() - began
                if self._idle is None or self._idle():
                    self._data += waited
                else:
                    self._between += waited
            yield value

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """The time of a step, as the host sees it."""
        began, counts = self._clock(), self._counts()
        if counts and self._idle is not None:
            self._idles += self._idle()
        yield
        if self._event is not None and not self._said:
            self._event.record(torch.cuda.current_stream(self._device))
        self._ended = self._clock()
        if counts:
            self._launch += self._ended - began
        self._steps += 1

    def verdict(self) -> str | None:
        """One line, at the end of the first epoch that lets one tell; None otherwise."""
        counted = self._steps - self._left_out
        if self._said or counted < ENOUGH:
            return None
        self._said = True
        seconds = max(self._data + self._launch + self._between, 1e-9)
        data, idle = self._data / seconds, self._idles / counted
        waits = f"{data:.0%} of the time waiting for data"
        if self._idle is None:
            if data > 0.5:
                return f"limited by data: {waits}; {FASTER_DATA}"
            with_others = ", exchange with other processes included" if current().size > 1 else ""
            return f"limited by arithmetic: {self._launch / seconds:.0%} of the time in steps{with_others}, {waits}"
        if idle < 0.5:
            return f"limited by arithmetic: the device was busy at {1 - idle:.0%} of the steps' starts, {waits}"
        starved = f"the device had nothing to do at {idle:.0%} of the steps' starts, {waits}"
        if self._data > self._launch:
            return f"limited by data: {starved}; {FASTER_DATA}"
        compiling = "" if self._compiled else ", or train.compile: 'on',"
        return f"limited by launches: {starved}; a larger data.batch{compiling} helps"

    def _counts(self) -> bool:
        return not self._said and self._steps >= self._left_out
