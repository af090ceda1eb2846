"""Carries a journal's entries to a store, in order, once each: one try, which goes as far as the store takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .artifacts import located
from .client import reason
from .grouped import grouped_all
from .journal import Entry, Journal, Start
from .store import Refused, Store

__all__ = ["Busy", "Sender", "Sent"]

AT_ONCE = 100  # entries sent together


class Busy(Exception):
    """Another process delivers the journal. trained: it goes on with the run."""

    def __init__(self, message: str, *, trained: bool = False) -> None:
        super().__init__(message)
        self.trained = trained


@dataclass
class Sent:
    """What has arrived in a store."""

    metrics: int = 0
    artifacts: int = 0
    ends: int = 0

    def add(self, entry: Entry) -> None:
        self.metrics += len(entry.data) if entry.kind == "metrics" else 0
        self.artifacts += entry.waits
        self.ends += entry.kind == "end"

    @property
    def is_one(self) -> bool:
        """Whether it is one thing, in words."""
        return self.metrics + self.artifacts <= 1

    def __str__(self) -> str:
        """`307 metrics and 5 artifacts`."""
        named = ((self.metrics, "metric"), (self.artifacts, "artifact"))
        parts = [f"{n:,} {what}{'s' * (n != 1)}" for n, what in named if n]
        return " and ".join(parts) or "the end of the run"

    @classmethod
    def of(cls, entries: list[Entry]) -> Sent:
        found = cls()
        for entry in entries:
            found.add(entry)
        return found


class Sender:
    """A journal and the store that it is for.

    facts: tags that take a while to find, called once. warn: told of a run that is made anew. had: of what it sends,
    `sent` counts what was taken, `refused`, by the reason, what will never be. trains: an ended run, of which some is
    left, keeps the state that it has.
    """

    def __init__(
        self, journal: Journal, connect: Callable[[], Store], warn: Callable[[str], None],
        facts: Callable[[], Mapping[str, str]] = dict, *, trains: bool = True,
    ) -> None:  # fmt: skip
        self.journal, self.sent = journal, Sent()
        self.refused: Counter[str] = Counter()
        self._connect, self._warn, self._facts, self._trains = connect, warn, facts, trains
        self._store: Store | None = None
        self._params_due = False
        # What the store has already, by names under groups: asked for where a run goes on, and where it is not known
        # what of a batch it took.
        self._had: Mapping[str, set[int]] = {}
        self._unsure = False

    def send(self) -> None:
        """Everything that is left. Raises whatever the store does, and Busy."""
        if not self.journal.lock.take() or self.journal.taken():
            raise Busy("another process is delivering it")
        try:
            if self._store is None:
                self._store = self._open()
            if self._unsure:
                self._ask(self._store)
            self._deliver(self._store)
        except Busy:
            raise
        except Exception:
            self._unsure = self.journal.run_id is not None
            raise

    # -- the run -------------------------------------------------------------------------------------------

    def _open(self) -> Store:
        """Connects, and goes on with the known run, or creates one."""
        store, start, journal = self._connect(), self._start(), self.journal
        if journal.run_id is None and (noted := journal.lock.noted()):
            journal.know(noted)  # by a process that this one has taken the journal from
        if journal.run_id is not None and not self._params_due:
            there = store.reopen(journal.run_id, start.tags if self._trains else None)
            if there is not None:
                store.params(journal.run_id, {k: v for k, v in start.params.items() if k not in there})
                self._unsure = True
                journal.know(journal.run_id)
                return store
            self._warn(f"the run {journal.run_id} is not in this MLflow store (any more); it goes on as a new one")
            journal.run_id = None
        if journal.run_id is None:
            journal.know(store.create(start.name, start.started, start.tags))
            self._params_due = True
        store.params(str(journal.run_id), start.params)
        self._params_due = False
        return store

    def _start(self) -> Start:
        """With the facts, which from then on the journal has."""
        start = self.journal.start or Start(self.journal.path.parent.name, 0)
        facts, self._facts = self._facts(), dict
        self.journal.start = replace(start, tags={**facts, **start.tags})
        return self.journal.start

    def _ask(self, store: Store) -> None:
        """Which points the store has: what is logged again after a checkpoint was resumed is not delivered again."""
        self._had, self._unsure = store.points(str(self.journal.run_id)), False

    # -- its entries ---------------------------------------------------------------------------------------

    def _deliver(self, store: Store) -> None:
        """Until nothing is left. An artifact that fails is put off, so that the metrics do not wait for it."""
        put_off: dict[int, Exception] = {}
        while entries := self.journal.next(AT_ONCE):
            entry = entries[0]
            if id(entry) in put_off:
                raise put_off[id(entry)]
            if self.journal.taken():
                raise Busy("the run goes on in another process", trained=True)
            try:
                self._send(store, entries)
            except Exception as error:
                if not entry.waits:
                    raise
                put_off[id(entry)] = error
                self.journal.put_off(entry)

    def _send(self, store: Store, entries: list[Entry]) -> None:
        """Sends entries of one kind; of those refused together, each by itself."""
        new = [e for e in map(self._new, entries) if e.data]
        try:
            new = [located(entry, self.journal.path.parent) for entry in new]
            if new:
                store.send(str(self.journal.run_id), new)
        except Refused as error:
            if len(entries) > 1:
                self._ask(store)
                for entry in entries:
                    self._send(store, [entry])
                return
            self.refused[reason(error)] += 1
            new = []
        for entry in new:
            self.sent.add(entry)
        self.journal.done(entries)

    def _new(self, entry: Entry) -> Entry:
        """The entry without the points that the store has."""
        if entry.kind != "metrics" or not self._had:
            return entry
        had = {name for name, full in grouped_all(entry.data).items() if entry.step in self._had.get(full, ())}
        return replace(entry, data={name: value for name, value in entry.data.items() if name not in had})
