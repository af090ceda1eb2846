"""What ended runs have not delivered to MLflow: delivered when asked, and beside the next run in the folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..errors import RunError
from ..track import Busy, Delivered, deliver_left, is_left
from .folder import RUNS, RunFolder, find_run

__all__ = ["Beside", "deliver", "deliver_finished"]

AGAIN = 5.0  # seconds until a store that has failed is tried again
PATIENCE = 60.0  # seconds, once the run beside is over, for a store that answers


def deliver(names: Sequence[str | Path], report: Callable[[str], None]) -> list[Delivered]:
    """Delivers what these runs have left, or all in the folder where none is named. Raises RunError where some is left
    after that, with what and why of each run."""
    folders = [find_run(name) for name in names] if names else list(_with_left())
    done, failures = [], []
    for folder in folders:
        try:
            delivered = _deliver(folder)
        except RunError as error:
            failures.append(str(error))
            continue
        if delivered is None:
            report(f"{folder.name}: nothing is left to deliver")
            continue
        for line in delivered.told:
            report(f"warning: {folder.name}: {line}")
        if delivered.left is None:
            report(str(delivered))
        else:
            failures.append(_kept(folder, delivered))
        done.append(delivered)
    if failures:
        raise RunError("\n  ".join(failures))
    if not folders:
        report(f"no run under {RUNS}/ has anything left to deliver")
    return done


def deliver_finished(folder: RunFolder, report: Callable[[str], None]) -> None:
    """Delivers what a run has left that was to be resumed, and has finished."""
    if is_left(folder.spool):
        deliver([folder.path], report)


def _deliver(folder: RunFolder, *, tries: int = 2, ended: threading.Event | None = None) -> Delivered | None:
    """Raises RunError where another process is at it."""
    try:
        delivered = deliver_left(folder.spool, tries=tries, ended=ended, explicit=ended is None)
    except Busy as error:
        raise RunError(str(error)) from error
    if delivered is not None and delivered.run_id is not None and not folder.facts().get("mlflow"):
        folder.note(mlflow=delivered.run_id)
    return delivered


def _kept(folder: RunFolder, delivered: Delivered) -> str:
    kept = f"kept in {folder.spool}; `graphssl track {folder.name}` tries again"
    return f"{delivered}; {'it is' if str(delivered.left).startswith('1 ') else 'they are'} {kept}"


def _with_left() -> Iterator[RunFolder]:
    """The runs in this folder that may have something left, the oldest first."""
    folders = [RunFolder(path.parent.resolve()) for path in RUNS.glob("*/undelivered.jsonl") if is_left(path)]
    return iter(sorted(folders, key=lambda folder: (folder.path.stat().st_mtime, folder.name)))


class Beside:
    """Delivers what earlier runs in the folder have left, in a thread, beside a run: that neither waits nor ends by it.

    own: the run's folder. say: told of what has arrived.
    """

    def __init__(self, own: RunFolder, say: Callable[[str], None]) -> None:
        mine = own.path.resolve()
        self._folders = [folder for folder in _with_left() if folder.path != mine]
        self._say, self._ended = say, threading.Event()
        self._fails = False
        self._thread = threading.Thread(target=self._run, name="graphssl-track-left", daemon=True)
        if self._folders:
            self._thread.start()

    def close(self, *, wait: bool) -> list[str]:
        """The end of it; what to warn of. wait: for a store that answers."""
        until = time.monotonic() + PATIENCE
        while wait and not self._fails and self._thread.is_alive() and time.monotonic() < until:
            self._thread.join(0.1)
        self._ended.set()
        names = [folder.name for folder in self._folders if is_left(folder.spool)]
        if not names:
            return []
        listed = ", ".join(f"'{name}'" for name in names[:3]) + (" ..." if len(names) > 3 else "")
        return [
            f"what {listed} left is still not delivered to MLflow: `graphssl track` tries again, as the next run does"
        ]

    def _run(self) -> None:
        left = self._folders
        while left and not self._ended.is_set():
            left = [folder for folder in left if not self._done(folder)]
            self._fails = bool(left)
            if left:
                self._ended.wait(AGAIN)

    def _done(self, folder: RunFolder) -> bool:
        if self._ended.is_set():
            return False
        try:
            delivered = _deliver(folder, tries=1, ended=self._ended)
        except Exception:  # a folder that is gone, a run that goes on: no affair of the run beside
            return False
        if delivered is None:
            return True
        if delivered.left is None:
            self._say(f"left by an earlier run: {delivered}")
        return delivered.left is None
