"""A thread that carries a journal's entries to a store, in order, and tries again until the store takes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .client import reason
from .journal import Entry, Journal
from .store import Refused, Store

AT_ONCE = 100  # entries sent together
GATHER = 0.5  # seconds in which entries gather
LAST_TRIES = 2  # once training has ended: nobody should wait long for a store that is down
LONGEST_WAIT = 60.0  # seconds between two tries


@dataclass(frozen=True)
class Start:
    """What a run is created with. tags is called in the thread: some facts take a while to find."""

    name: str
    started: int
    params: Mapping[str, str]
    tags: Callable[[], Mapping[str, str]]
    resume: str | None


class Delivery:
    """Runs until `close`.

    failure: why the last try failed, None after one that did not. refused: how many entries the store will never
    take, and refusal why. wait: seconds after a first failure; doubled after each further one.
    """

    def __init__(
        self, journal: Journal, connect: Callable[[], Store], start: Start, warn: Callable[[str], None],
        wait: float = 1.0,
    ) -> None:  # fmt: skip
        self.journal, self.start = journal, start
        self.failure: str | None = None
        self.refused, self.refusal = 0, ""
        self.run_id = journal.run_id or start.resume
        self._connect, self._warn, self._wait = connect, warn, wait
        self._closing = threading.Event()
        self._store: Store | None = None
        self._params_due = False
        # What the store has already: asked for where a run goes on, and where it is not known what of a batch it took.
        self._had: Mapping[str, set[int]] = {}
        self._unsure = False
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
            closing = self._closing.is_set()
            failures = failures + 1 if self._fails() else 0
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
        """Tries to deliver everything; whether the store failed."""
        try:
            if self._store is None:
                self._store = self._open()
            if self._unsure:
                self._ask(self._store)
            self._deliver(self._store)
        except Exception as error:
            # Whatever the store throws, training goes on.
            first = self.failure is None
            self._unsure = self.run_id is not None
            self.failure = reason(error)
            if first:
                self._warn(
                    f"MLflow does not answer as it should ({self.failure}). Training goes on; what is not delivered "
                    f"is kept in {self.journal.path} and tried again"
                )
            return True
        self.failure = None
        return False

    def _await_entries(self) -> None:
        with self.journal.changed:
            while not len(self.journal) and not self._closing.is_set():
                self.journal.changed.wait()
        self._closing.wait(min(GATHER, self._wait))

    # -- the run -------------------------------------------------------------------------------------------

    def _open(self) -> Store:
        """Connects, and goes on with the known run, or creates one."""
        store = self._connect()
        if self.run_id is not None and not self._params_due:
            there = store.reopen(self.run_id, self.start.tags())
            if there is not None:
                store.params(self.run_id, {k: v for k, v in self.start.params.items() if k not in there})
                self._unsure = True
                self.journal.know(self.run_id)
                return store
            self._warn(f"the run {self.run_id} is not in this MLflow store (any more); it goes on as a new one")
            self.run_id = None
        if self.run_id is None:
            self.run_id = store.create(self.start.name, self.start.started, self.start.tags())
            self._params_due = True
            self.journal.know(self.run_id)
        store.params(self.run_id, self.start.params)
        self._params_due = False
        return store

    def _ask(self, store: Store) -> None:
        """Which points the store has: what is logged again after a checkpoint was resumed is not delivered again."""
        assert self.run_id is not None
        self._had, self._unsure = store.points(self.run_id), False

    # -- its entries ---------------------------------------------------------------------------------------

    def _deliver(self, store: Store) -> None:
        """Until nothing is left. An artifact that fails is put off, so that the metrics do not wait for it."""
        put_off: dict[int, Exception] = {}
        while entries := self.journal.next(AT_ONCE):
            entry = entries[0]
            if id(entry) in put_off:
                raise put_off[id(entry)]
            try:
                self._send(store, entries)
            except Exception as error:
                if entry.kind not in ("file", "text"):
                    raise
                put_off[id(entry)] = error
                self.journal.put_off(entry)

    def _send(self, store: Store, entries: list[Entry]) -> None:
        """Sends entries of one kind; of those refused together, each by itself."""
        assert self.run_id is not None
        new = [e for e in map(self._new, entries) if e.data]
        try:
            if new:
                store.send(self.run_id, new)
        except Refused as error:
            if len(entries) > 1:
                self._ask(store)
                for entry in entries:
                    self._send(store, [entry])
                return
            self.refused += 1
            self.refusal = self.refusal or reason(error)
        self.journal.done(entries)

    def _new(self, entry: Entry) -> Entry:
        """The entry without the points that the store has."""
        if entry.kind != "metrics" or not self._had:
            return entry
        return replace(entry, data={k: v for k, v in entry.data.items() if entry.step not in self._had.get(k, ())})
