"""What ended runs have not delivered to MLflow: delivered when asked, and beside the next run in the folder."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import RunError
from ..track import Busy, Delivered, deliver_left, is_left
from .figures import ALL_LEFT, deliver_figures, figures_left
from .folder import RUNS, RunFolder, find_run

__all__ = ["Beside", "deliver", "deliver_finished"]

AGAIN = 5.0  # seconds until a store that has failed is tried again
TOLD = "undelivered_to"  # of the facts of a run: the store of which a later run has said that it does not take it
PATIENCE = 30.0  # seconds, once the run beside is over, for a store that answers


def deliver(names: Sequence[str | Path], report: Callable[[str], None]) -> list[Delivered]:
    """Delivers what these runs have left, or all in the folder where none is named. Raises RunError where some is left
    after that, with what and why of each run."""
    folders = [find_run(name) for name in names] if names else _with_left()
    done, failures = list[Delivered](), list[str]()
    for folder in folders:
        try:
            delivered = _deliver_after_others(folder) if names else _deliver(folder)
        except Busy as busy:
            if names:
                failures.append(str(busy))
            else:  # which was not asked for by name
                report(str(busy))
            continue
        if delivered is None and not figures_left(folder):
            report(f"{folder.name}: nothing is left to deliver")
        if delivered is not None:
            done.append(delivered)
            failures += _told(folder, delivered, report)
        if figures_left(folder) and not (delivered and delivered.left):
            failures += _figures(folder, report)
    if failures:
        raise RunError("\n  ".join(failures))
    if not folders:
        report(f"no run under {RUNS}/ has anything left to deliver")
    return done


def _told(folder: RunFolder, delivered: Delivered, report: Callable[[str], None]) -> list[str]:
    """Says what has arrived; what has not."""
    for line in delivered.told:
        report(f"warning: {folder.name}: {line}")
    if delivered.left is None:
        report(str(delivered))
        return []
    return [_kept(folder, delivered)]


def _figures(folder: RunFolder, report: Callable[[str], None]) -> list[str]:
    """Delivers figures of evaluations, and says so; why they are still not delivered."""
    try:
        count = deliver_figures(folder)
    except RunError as error:
        return [f"figures of evaluations of '{folder.name}' could not be delivered to MLflow ({error})"]
    if count:
        report(f"{folder.name}: figures of {count} evaluation{'s' * (count > 1)} delivered to MLflow")
    return []


def deliver_finished(folder: RunFolder, report: Callable[[str], None]) -> None:
    """Delivers what a run has left that was to be resumed, and has finished."""
    if is_left(folder.spool) or figures_left(folder):
        deliver([folder.path], report)


def _deliver_after_others(folder: RunFolder) -> Delivered | None:
    """Waits for who is at it. Raises Busy where the run is being trained, or that takes long."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return _deliver(folder)
        except Busy as busy:
            if busy.trained or time.monotonic() > until:
                raise
            time.sleep(0.2)


def _deliver(folder: RunFolder, *, tries: int = 2, ended: threading.Event | None = None) -> Delivered | None:
    """Raises Busy where another process is at it, or trains the run."""
    known = folder.facts().get("mlflow")
    delivered = deliver_left(folder.spool, tries=tries, ended=ended, explicit=ended is None, known=known)
    if delivered is not None and delivered.run_id is not None and known != delivered.run_id:
        folder.note(mlflow=delivered.run_id)
    return delivered


def _kept(folder: RunFolder, delivered: Delivered) -> str:
    kept = f"kept in {folder.spool}; `graphssl track {folder.called}` tries again"
    return f"{delivered}; {'it is' if delivered.left is None or delivered.left.is_one else 'they are'} {kept}"


def _with_left() -> list[RunFolder]:
    """The runs in this folder that may have something left."""
    journals = {path.parent for path in RUNS.glob("*/undelivered.jsonl") if is_left(path)}
    return [RunFolder(path) for path in sorted(journals | {path.parent.parent for path in RUNS.glob(ALL_LEFT)})]


class Beside:
    """Delivers what earlier runs in the folder have left, in a thread, beside a run: that neither waits nor ends by it.

    own: the run's folder. say: told of what has arrived.
    """

    def __init__(self, own: RunFolder, say: Callable[[str], None]) -> None:
        found = (RunFolder(folder.path.resolve()) for folder in _with_left())
        self._left = [folder for folder in found if folder.path != own.path.resolve()]
        self._say, self._ended = say, threading.Event()
        self._fails = False
        self._failures: dict[Path, tuple[str, str]] = {}  # of a run's folder, the store and why
        self._thread = threading.Thread(target=self._run, name="graphssl-track-left", daemon=True)
        if self._left:
            self._thread.start()

    def close(self, *, wait: bool) -> list[str]:
        """The end of it; what to warn of. wait: for a store that answers."""
        until = time.monotonic() + PATIENCE
        while wait and not self._fails and self._thread.is_alive() and time.monotonic() < until:
            self._thread.join(0.1)
        self._ended.set()
        return [line for where, why in dict.fromkeys(self._failures.values()) for line in self._told(where, why)]

    def _told(self, where: str, why: str) -> list[str]:
        """What was not delivered to a store, and why: said once of a run, beside the next one."""
        new = []
        for folder in self._left:
            if self._failures.get(folder.path) == (where, why) and folder.facts().get(TOLD) != where:
                with contextlib.suppress(RunError, OSError):
                    folder.note(**{TOLD: where})
                new.append(f"'{folder.name}'")
        if not new:
            return []
        listed = ", ".join(new[:3]) + (f" and {len(new) - 3:,} more" if len(new) > 3 else "")
        again = "`graphssl track` tries again, and so does every run here, without saying this anew"
        return [f"what {listed} left is still not delivered to MLflow at {where} ({why}): {again}"]

    def _run(self) -> None:
        while self._left and not self._ended.is_set():
            for folder in list(self._left):
                if not self._ended.is_set() and self._done(folder):
                    self._left.remove(folder)
            self._fails = bool(self._left)
            if self._left:
                self._ended.wait(AGAIN)

    def _done(self, folder: RunFolder) -> bool:
        """Whether there is nothing more to do. Whatever is wrong with it, the run beside goes on."""
        try:
            delivered = _deliver(folder, tries=1, ended=self._ended)
        except Busy:
            return True
        except Exception:
            return False
        if (delivered is None or delivered.left is None) and figures_left(folder) and _figures(folder, self._say):
            return False
        if delivered is None:
            return True
        for line in delivered.told:
            self._say(f"warning: {folder.name}: {line}")
        if delivered.left is not None:
            self._failures[folder.path] = delivered.where, delivered.failure or ""
        elif not delivered.is_nothing:
            self._say(f"left by an earlier run: {delivered}")
        return delivered.left is None
