"""What is still to be delivered, in order, in memory and in a file that outlives the process."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from ..files import special
from .entries import Entry, Kind, Start, dump_start, parse
from .grouped import grouped_all
from .lock import TRAINING, Lock

__all__ = ["START", "Entry", "Journal", "Kind", "Start"]

START = "graphssl.start"  # a tag that only one start of a run has, so that a run is found whose making was not answered
REWRITE = 1000  # delivered lines in the file before it is written anew


class Journal:
    """A queue whose entries stay in its file until they are delivered.

    Each entry is written to the file, and handed to the system, before `append` returns: a process that is killed
    loses nothing, and the next one with the same file goes on where it stopped. The first line knows the run's id, and
    what it is created with. A point, a metric at a step, that an earlier process has left is not taken again from one
    that goes on before it. A file that cannot be written is noted in `trouble`; the queue then lives in memory only.

    start: of the run, by the process that trains it: it takes the file over from whoever delivers it at that time.
    None: to deliver what an ended run has left, by `read` where `lock` is had, and until a process that goes on with
    the run takes the file: then it is `lost`, and nothing here touches it any more.
    """

    def __init__(self, path: Path, start: Start | None = None) -> None:
        self.path, self.start = path, start
        self.run_id: str | None = None
        self.trouble: str | None = None
        self.damaged = 0  # lines that are no entries
        self.lost = False
        self.changed = threading.Condition(threading.RLock())
        self._trains = start is not None
        self._pending: deque[Entry] = deque()
        self._file: IO[str] | None = None
        self._delivered = 0
        self._left: set[tuple[str, int]] = set()
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = Lock(path.with_name(f".{path.stem}.lock"))
        if self._trains:
            with self.lock.alone():
                self.lock.take(TRAINING)
                self.lock.take()  # or later, from whoever delivers it
                self._read()
                self._replace()

    def read(self) -> bool:
        """What an ended run has left, for whoever has the lock. False where the run is being trained."""
        with self.lock.alone():
            if self.lock.trained():
                return False
            self._read()
            if self.trouble is None and self.path.exists():
                self._open()
            return True

    def __len__(self) -> int:
        return len(self._pending)

    def append(self, entry: Entry) -> None:
        with self.changed:
            entry = self._without_left(entry)
            if not entry.data:
                return
            self._add(entry)
            self._write(entry.line())
            self.changed.notify_all()

    def leave(self, entry: Entry, run_id: str) -> None:
        """An entry of an ended run, after `read`, for whoever delivers what is left."""
        with self.changed:
            self.run_id = self.run_id or run_id
            self._add(entry)
            self.rewrite()

    def pending(self) -> list[Entry]:
        with self.changed:
            return list(self._pending)

    def next(self, limit: int) -> list[Entry]:
        """The oldest entries of one kind, at most `limit`; only metrics come in numbers. They stay until `done`."""
        with self.changed:
            found: list[Entry] = []
            for entry in self._pending:
                if len(found) == limit or (found and not found[0].kind == entry.kind == "metrics"):
                    break
                found.append(entry)
            return found

    def done(self, entries: Sequence[Entry]) -> None:
        """Delivered (or refused for good): the entries leave the queue, and sooner or later the file."""
        with self.changed:
            for entry in entries:
                if self._pending and self._pending[0] is entry:
                    self._pending.popleft()
                elif entry in self._pending:  # else a later one has come in its stead
                    self._pending.remove(entry)
            self._delivered += len(entries)
            if not self._pending or self._delivered >= max(REWRITE, len(self._pending)):
                self.rewrite()

    def put_off(self, entry: Entry) -> None:
        """To the end of the queue: an artifact that fails must not hold back the metrics behind it."""
        with self.changed:
            if entry in self._pending:
                self._pending.remove(entry)
                self._pending.append(entry)

    def know(self, run_id: str, start: Start | None = None) -> None:
        """The run's id. start: where more is known of it now."""
        with self.changed:
            self.run_id, self.start = run_id, start or self.start
            self.lock.note(run_id)
            self.rewrite()

    def close(self) -> None:
        """Removes the file when nothing is left to deliver. What was undelivered is anybody's from then on."""
        with self.changed:
            with self.lock.alone():
                self._check_taken()
                if not self.lost and (self._trains or self._file is not None):
                    self._replace()
                    if not self._pending and self.trouble is None:
                        self.path.unlink(missing_ok=True)
                        self.lock.note("")
            self._stop_writing()
            self.lock.close()

    def taken(self) -> bool:
        """Whether a process that goes on with the run has taken the file over."""
        with self.changed, self.lock.alone():
            self._check_taken()
            return self.lost

    def rewrite(self) -> None:
        """The file anew, with what is pending."""
        with self.changed, self.lock.alone():
            self._check_taken()
            if not self.lost:
                self._replace()

    # -- the file ------------------------------------------------------------------------------------------

    def _check_taken(self) -> None:
        if self._trains or self._file is None:
            return
        mine = os.fstat(self._file.fileno())
        try:
            there = os.stat(self.path)
        except OSError:
            self.lost = True
        else:
            self.lost = self.lost or (mine.st_ino, mine.st_dev) != (there.st_ino, there.st_dev)

    def _read(self) -> None:
        if found := special(self.path):
            self.trouble = f"it is {found}"
            return
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return
        except OSError as error:
            self.trouble = str(error)
            return
        *whole, rest = lines  # the last line of a process that was killed while writing it is no entry, and no damage
        for line in [*whole, *([rest] if parse(rest) else [])]:
            match parse(line):
                case None:
                    self.damaged += bool(line)
                case Entry() as entry:
                    if entry.kind != "end" or not self._trains:  # else the run goes on
                        self._keep(entry)
                case (run_id, start):
                    self.run_id = run_id
                    self.start = _goes_on(self.start, start) if run_id is None else self.start or start

    def _keep(self, entry: Entry) -> None:
        entry = self._without_left(entry)
        if entry.kind == "metrics":
            self._left |= {(name, entry.step) for name in grouped_all(entry.data).values()}
        if entry.data:
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        """An artifact comes in the stead of an earlier one of its place, a tag in that of its name."""
        if entry.stead is not None:
            self._pending = deque(e for e in self._pending if e.stead != entry.stead)
        self._pending.append(entry)

    def _without_left(self, entry: Entry) -> Entry:
        if entry.kind != "metrics" or not self._left:
            return entry
        names = grouped_all(entry.data)  # what has been left may have the names of before there were groups
        return replace(entry, data={k: v for k, v in entry.data.items() if (names[k], entry.step) not in self._left})

    def _replace(self) -> None:
        """Replaced whole, never half."""
        self._stop_writing()
        try:
            draft = self.path.with_name(f".{self.path.name}.new")
            text = dump_start(self.run_id, self.start) + "".join(e.line() for e in self._pending)
            draft.unlink(missing_ok=True)  # of a process that was killed, or a link that leads elsewhere
            with draft.open("x", encoding="utf-8") as file:
                file.write(text)
            os.replace(draft, self.path)
            self._delivered, self.trouble = 0, None
            self._open()
        except OSError as error:
            self.trouble = str(error)

    def _open(self) -> None:
        try:
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            self.trouble = str(error)

    def _write(self, line: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            self.trouble = str(error)
            self._stop_writing()

    def _stop_writing(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as error:
                self.trouble = str(error)


def _goes_on(now: Start | None, before: Start | None) -> Start | None:
    """A run that is not in the store yet is what it was when it began, and in which process has no part in it."""
    if now is None or before is None:
        return now or before
    own = {START: before.tags[START]} if START in before.tags else {}
    return replace(now, started=before.started, tags={**now.tags, **own})
