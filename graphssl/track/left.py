"""Delivers later what an ended run has left in its journal."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import RunError
from .client import reason, store_uri, without_password
from .journal import Entry, Journal
from .sender import Busy, Sender, Sent
from .store import MlflowStore, Store
from .tracker import not_taken

__all__ = ["Delivered", "deliver_left", "is_left", "leave_model"]


@dataclass(frozen=True)
class Delivered:
    """What of a run arrived later. left: what did not, and failure why; None where all did. told: what to warn of,
    such as entries that the store refuses. run_id: in MLflow. where: the store, without its password."""

    run: str
    sent: Sent
    left: Sent | None
    failure: str | None
    told: tuple[str, ...]
    run_id: str | None
    where: str

    @property
    def is_nothing(self) -> bool:
        """Whether there was nothing that MLflow did not have."""
        return self.left is None and self.sent == Sent()

    def __str__(self) -> str:
        if self.is_nothing:
            return f"{self.run}: there was nothing to deliver that MLflow did not have"
        if self.left is None:
            return f"{self.run}: {self.sent} delivered to MLflow ({self.where}, run {self.run_id})"
        return f"{self.left} of '{self.run}' could not be delivered to MLflow at {self.where} ({self.failure})"


def is_left(spool: Path) -> bool:
    """Whether a journal may have something."""
    try:
        return spool.stat().st_size > 0
    except (OSError, ValueError):
        return False


def leave_model(spool: Path, run_id: str, folder: Path, step: int, register: str) -> None:
    """Leaves a model of an ended run, to be delivered as all else is. folder: in the run's. Raises Busy as that does,
    and RunError where it cannot be kept."""
    journal = Journal(spool)
    try:
        if not journal.lock.take():
            raise Busy(f"another process is delivering what '{spool.parent.name}' has left")
        if not journal.read():
            raise Busy(f"the run '{spool.parent.name}' is being trained: that process delivers it", trained=True)
        journal.leave(
            Entry("model", int(time.time() * 1000), {"path": folder.name, "register": register}, step), run_id
        )
        if journal.trouble is not None:
            raise RunError(f"{spool} cannot be written: {journal.trouble}")
    finally:
        journal.close()


def deliver_left(
    spool: Path, *, tries: int = 2, ended: threading.Event | None = None, explicit: bool = True,
    connect: Callable[[str, str | None], Store] = MlflowStore, known: str | None = None,
) -> Delivered | None:  # fmt: skip
    """Delivers a journal's entries; None where there is none.

    explicit: to the store that the environment says, where it says one, and not to the one that the run had. ended:
    no further try once it is set. known: the run's id, for a journal whose first line is lost. Raises Busy
    where the run is being trained, or another process delivers it.
    """
    if not is_left(spool):
        return None
    journal = Journal(spool)
    try:
        if not journal.lock.take():
            raise Busy(f"another process is delivering what '{spool.parent.name}' has left")
        if not is_left(spool):  # that has been done meanwhile
            return None
        if not journal.read():
            raise Busy(f"the run '{spool.parent.name}' is being trained: that process delivers it", trained=True)
        journal.run_id = journal.run_id or known
        return _deliver(journal, tries, ended or threading.Event(), connect, explicit)
    finally:
        journal.close()


def _deliver(
    journal: Journal, tries: int, ended: threading.Event, connect: Callable[[str, str | None], Store], explicit: bool
) -> Delivered:  # fmt: skip
    start = journal.start
    uri = _store_of(start.store if start else None, explicit)
    told: list[str] = []
    sender = Sender(journal, lambda: connect(uri, start.experiment if start else None), told.append, trains=False)
    failure = journal.trouble
    nothing = start is None and not len(journal)  # no line of it could be read: of that no run is made
    for _ in range(tries if failure is None and not nothing else 0):
        try:
            sender.send()
        except Busy:
            raise
        except Exception as error:  # whatever the store throws
            failure = reason(error)
            if ended.wait(1.0):
                break
        else:
            failure = None
            break
    left = Sent.of(journal.pending()) if failure is not None or len(journal) else None
    told += not_taken(sender, journal)
    where = without_password(uri)
    return Delivered(journal.path.parent.name, sender.sent, left, failure, tuple(told), journal.run_id, where)


def _store_of(kept: str | None, explicit: bool) -> str:
    """Where a run is delivered: where it was tracked, with the password that only the environment knows."""
    said = os.environ.get("MLFLOW_TRACKING_URI")
    if kept is None or (said and (explicit or without_password(store_uri()) == kept)):
        return store_uri()
    return kept
