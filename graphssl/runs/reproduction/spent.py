"""How long a seed's run has taken: the sum over its starts, also of those that ended with their process."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...errors import RunError
from ...files import read_regular, replacing, writing
from ..folder import RUNS

__all__ = ["BEAT", "Spent"]

BEAT = 2.0  # seconds between two notes: so much of a start is lost, at most, that is killed
LARGEST = 1 << 16  # bytes


class Spent:
    """`runs/spent/RUN.json` has the seconds so far, noted all the time: who is killed notes nothing at the end.

    seconds: None of a run that was begun before anybody counted, as by `graphssl run`. clock: in seconds.
    """

    def __init__(self, run: str, clock: Callable[[], float] = time.monotonic, beat: float = BEAT) -> None:
        self._file, self._graph = RUNS / "spent" / f"{run}.json", RUNS / run / "graph.yaml"
        self._clock, self._beat = clock, beat
        there, noted = self._graph.is_file(), _noted(self._file)
        self._ended = there and bool(noted and noted["ended"])
        self.seconds: float | None = 0.0
        if there:
            self.seconds = noted["seconds"] if noted else None
        elif noted and not noted["begun"]:  # killed before there was a folder; else somebody has removed that
            self.seconds = noted["seconds"]

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Meanwhile it is counted; of a run that has ended there is nothing to count."""
        if self.seconds is None or self._ended:
            yield
            return
        before, start, over = self.seconds, self._clock(), threading.Event()

        def note() -> None:
            self.seconds = before + self._clock() - start
            self._note()

        def noting() -> None:
            note()
            while not over.wait(self._beat):
                note()

        thread = threading.Thread(target=noting, name="spent", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            note()

    def end(self) -> None:
        """The run has come to its end: what is counted stays."""
        if not self._ended and self.seconds is not None:
            self._ended = True
            self._note()

    def _note(self) -> None:
        """A disk that takes nothing is told by what matters more."""
        facts = {"seconds": self.seconds, "begun": self._graph.is_file(), "ended": self._ended}
        with contextlib.suppress(RunError), writing(self._file):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._file) as temporary:
                temporary.write_text(json.dumps(facts) + "\n")


def _noted(file: Path) -> dict[str, Any] | None:
    """What is known; None of nothing, and of a file that says something else."""
    try:
        facts = json.loads(read_regular(file, LARGEST) or b"")
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(facts, dict) or not isinstance(facts.get("seconds"), int | float):
        return None
    return {"seconds": float(facts["seconds"]), "begun": bool(facts.get("begun")), "ended": bool(facts.get("ended"))}
