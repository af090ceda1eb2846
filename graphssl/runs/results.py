"""What came of a run."""

from __future__ import annotations

from dataclasses import dataclass

from ..console import INTERRUPTED, STOPPED
from ..train.outcome import Outcome
from .folder import RunFolder

__all__ = ["Result"]


@dataclass(frozen=True)
class Result:
    """A run that came to an end: its folder, how the training went, its id in MLflow, and what to warn of."""

    folder: RunFolder
    outcome: Outcome
    run_id: str | None
    warnings: tuple[str, ...]

    @property
    def interrupted(self) -> bool:
        return self.outcome.interrupted

    @property
    def code(self) -> int:
        """The exit code that says how the run came to its end."""
        if not self.interrupted:
            return 0
        return STOPPED if self.outcome.from_outside else INTERRUPTED
