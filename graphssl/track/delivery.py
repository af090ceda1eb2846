"""A thread that carries a journal's entries to a store, and tries again until the store takes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .client import reason
from .journal import Journal
from .sender import Busy, Sender

GATHER = 0.5  # seconds in which entries gather
LAST_TRIES = 2  # once training has ended: nobody should wait long for a store that is down
LONGEST_WAIT = 5.0  # seconds between two tries


class Delivery:
    """Runs until `close`.

    failure: why the last try failed, None after one that did not. warn: told of the first failure after a try that
    went well, and of the first such try after that. wait: seconds after a first failure; doubled after each further
    one.
    """

    def __init__(
        self, journal: Journal, sender: Sender, warn: Callable[[str], None], wait: float = 1.0
    ) -> None:  # fmt: skip
        self.journal, self.sender = journal, sender
        self.failure: str | None = None
        self._warn, self._wait = warn, wait
        self._closing = threading.Event()
        # A daemon: a store that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="graphssl-track", daemon=True)
        self._thread.start()

    def close(self, timeout: float) -> bool:
        """Delivers what is left, or gives up after two tries; False when that was not over in time."""
        self._closing.set()
        with self.journal.changed:
            self.journal.changed.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures, last_failures = 0, 0
        while True:
            closing, before = self._closing.is_set(), len(self.journal)
            failures = failures + 1 if self._fails() else 0
            if len(self.journal) < before:  # a try that got on is no last one
                last_failures = 0
            last_failures += bool(failures) and closing
            if closing and ((not failures and not len(self.journal)) or last_failures >= LAST_TRIES):
                return
            if failures and closing:
                time.sleep(self._wait)
            elif failures:
                self._closing.wait(min(self._wait * 2 ** min(failures - 1, 10), LONGEST_WAIT))
            else:
                self._await_entries()

    def _fails(self) -> bool:
        """Tries to deliver everything; whether the store failed. Whatever it throws, training goes on."""
        try:
            self.sender.send()
        except Busy as error:
            self.failure = self.failure or str(error)
            return True
        except Exception as error:
            first, self.failure = self.failure is None, reason(error)
            if first:
                self._warn(
                    f"MLflow does not answer as it should ({self.failure}). Training goes on; what is not delivered "
                    f"is kept in {self.journal.path} and tried again"
                )
            return True
        if self.failure is not None:
            self._warn(f"MLflow answers again: what was kept in {self.journal.path} is delivered")
        self.failure = None
        return False

    def _await_entries(self) -> None:
        with self.journal.changed:
            while not len(self.journal) and not self._closing.is_set():
                self.journal.changed.wait()
        self._closing.wait(min(GATHER, self._wait))
