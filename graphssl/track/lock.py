"""Who delivers a journal, and who trains its run: one process at a time, which the system forgets with the process."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Lock", "one_at_a_time"]

DELIVERING, TRAINING, WRITING = 0, 1, 2  # bytes of the file that are locked

_mine: set[tuple[str, int]] = set()  # the system's locks are a process's: within it, these are known
_guard = threading.RLock()


class Lock:
    """A file beside a journal. Where it cannot be made, or the file system has no locks, nobody is kept out.

    It also keeps the run's id, for a process that takes the journal over while another one makes the run.
    """

    def __init__(self, path: Path) -> None:
        self._name = os.path.realpath(path)
        self._held: set[int] = set()
        self._file: int | None = None
        with contextlib.suppress(OSError):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)

    def take(self, byte: int = DELIVERING) -> bool:
        """Whether this is who delivers, or trains, from now to `close`. Does not wait."""
        with _guard:
            key = self._name, byte
            if byte not in self._held and key not in _mine and self._locks(byte, wait=False):
                self._held.add(byte)
                _mine.add(key)
            return byte in self._held

    def trained(self) -> bool:
        """Whether somebody else trains the run."""
        with _guard:
            if (self._name, TRAINING) in _mine:
                return TRAINING not in self._held
            free = self._locks(TRAINING, wait=False)
            if free:
                self._unlock(TRAINING)
            return not free

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """For the moment in which a journal's file is looked at and replaced."""
        with _guard:
            self._locks(WRITING, wait=True)
            try:
                yield
            finally:
                self._unlock(WRITING)

    def note(self, run_id: str) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.truncate(self._file, 0)
                os.pwrite(self._file, run_id.encode(), 0)

    def noted(self) -> str | None:
        if self._file is None:
            return None
        try:
            return os.pread(self._file, 1000, 0).decode("ascii", "replace") or None
        except OSError:
            return None

    def close(self) -> None:
        with _guard:
            _mine.difference_update({(self._name, byte) for byte in self._held})
            self._held.clear()
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _locks(self, byte: int, *, wait: bool) -> bool:
        import fcntl

        if self._file is None:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # a file system without locks
            return True
        return True

    def _unlock(self, byte: int) -> None:
        import fcntl

        if self._file is not None:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)


@contextlib.contextmanager
def one_at_a_time(path: Path, patience: float = 30.0) -> Iterator[bool]:
    """Meanwhile no other process, nor thread, is in this with that file. Whether that is so: others are waited for.

    patience: in seconds.
    """
    lock, until = Lock(path), time.monotonic() + patience
    try:
        while not (alone := lock.take()) and time.monotonic() < until:
            time.sleep(0.05)
        yield alone
    finally:
        lock.close()
