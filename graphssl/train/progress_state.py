"""What is known of a training on its way, and how long it will take at the pace so far."""

from __future__ import annotations

import math

__all__ = ["State"]


class State:
    """What is known: the step, and the last loss, rate, speed and evaluation."""

    def __init__(self, epochs: int, steps_per_epoch: int, step: int, steps: int) -> None:
        self.epochs, self.steps_per_epoch, self.step, self.steps = epochs, steps_per_epoch, step, steps
        self.loss = self.rate = self.speed = math.nan
        self.values: dict[str, float] = {}
        self._began: tuple[float, int] | None = None

    def advance(self, step: int, now: float) -> None:
        self.step = step
        # The first step is left out of the pace: it may have compiled the graph.
        self._began = self._began or (now, step)

    @property
    def epoch(self) -> int:
        """The epoch of the last step, from 1."""
        return min(max(self.step - 1, 0) // self.steps_per_epoch + 1, self.epochs)

    def left(self, now: float) -> str:
        """The time left at the pace so far, h:mm:ss; empty while there is no pace."""
        if self._began is None or self.step <= self._began[1]:
            return ""
        began, first = self._began
        seconds = round((now - began) / (self.step - first) * max(self.steps - self.step, 0))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
