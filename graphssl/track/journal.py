"""What is still to be delivered, in order, in memory and in a file that outlives the process."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal

Kind = Literal["metrics", "file", "text", "end"]
REWRITE = 1000  # delivered lines in the file before it is written anew


@dataclass(frozen=True, eq=False)
class Entry:
    """One thing to deliver. at: ms since 1970, when it happened."""

    kind: Kind
    at: int
    data: dict[str, Any]
    step: int = 0

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


class Journal:
    """A queue whose entries stay in its file until they are delivered.

    Each entry is written to the file, and handed to the system, before `append` returns: a process that is killed
    loses nothing, and the next one with the same file goes on where it stopped. The first line knows the run's id.
    A point, a metric at a step, that an earlier process has left is not taken again from one that goes on before it.
    A file that cannot be written is noted in `trouble`; the queue then lives in memory only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_id: str | None = None
        self.trouble: str | None = None
        self.changed = threading.Condition(threading.RLock())
        self._pending: deque[Entry] = deque()
        self._file: IO[str] | None = None
        self._delivered = 0
        self._left: set[tuple[str, int]] = set()
        self._read()
        self._rewrite()

    def __len__(self) -> int:
        return len(self._pending)

    def append(self, entry: Entry) -> None:
        with self.changed:
            entry = self._without_left(entry)
            if not entry.data:
                return
            self._pending.append(entry)
            self._write(entry.line())
            self.changed.notify_all()

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
                if self._pending[0] is entry:
                    self._pending.popleft()
                else:
                    self._pending.remove(entry)
            self._delivered += len(entries)
            if not self._pending or self._delivered >= max(REWRITE, len(self._pending)):
                self._rewrite()

    def put_off(self, entry: Entry) -> None:
        """To the end of the queue: an artifact that fails must not hold back the metrics behind it."""
        with self.changed:
            self._pending = deque([*(e for e in self._pending if e is not entry), entry])

    def know(self, run_id: str) -> None:
        with self.changed:
            self.run_id = run_id
            self._rewrite()

    def close(self) -> None:
        """Removes the file when nothing is left to deliver."""
        with self.changed:
            self._rewrite()
            self._stop_writing()
            if not self._pending and self.trouble is None:
                self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return
        except OSError as error:
            self.trouble = str(error)
            return
        for line in lines:
            try:
                data = json.loads(line)
                if "run_id" in data:
                    self.run_id = data["run_id"]
                elif data["kind"] != "end":  # the run goes on
                    self._keep(Entry(**data))
            except (ValueError, TypeError, KeyError):
                continue  # the last line of a process that was killed while writing it

    def _keep(self, entry: Entry) -> None:
        entry = self._without_left(entry)
        if entry.kind == "metrics":
            self._left |= {(name, entry.step) for name in entry.data}
        if entry.data:
            self._pending.append(entry)

    def _without_left(self, entry: Entry) -> Entry:
        if entry.kind != "metrics" or not self._left:
            return entry
        return replace(entry, data={k: v for k, v in entry.data.items() if (k, entry.step) not in self._left})

    def _rewrite(self) -> None:
        """The file anew, with what is pending: replaced whole, never half."""
        self._stop_writing()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_name(f".{self.path.name}.new")
            text = json.dumps({"run_id": self.run_id}) + "\n" + "".join(e.line() for e in self._pending)
            draft.write_text(text, encoding="utf-8")
            os.replace(draft, self.path)
            self._file = self.path.open("a", encoding="utf-8")
            self._delivered = 0
            self.trouble = None
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
