"""What stands in a process that does not speak for the others: it tracks nothing and shows nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..track import Status
from ..train.display import View
from ..train.progress_state import State

__all__ = ["Unseen", "Untracked"]


class Untracked:
    """In place of a Tracker. run_id: what the run is known as."""

    def __init__(self, run_id: str | None) -> None:
        self.run_id = run_id

    def metrics(self, values: Mapping[str, float], step: int) -> None: ...

    def text(self, content: str, artifact: str) -> None: ...

    def file(self, path: str | Path, artifact_folder: str = "") -> None: ...

    def finish(self, status: Status, timeout: float = 60.0) -> list[str]:
        return []


class Unseen(View):
    """In place of a live line."""

    seconds = 3600.0

    def start(self) -> None: ...

    def show(self, state: State) -> None: ...

    def say(self, text: str) -> None: ...

    def stop(self) -> None: ...
