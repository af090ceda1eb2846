"""Local copies of remote shards: fetched whole, once, into the user's cache; the oldest make room for the next.

A shard at an address is read in one sweep and then from the disk, in any order. When the disk is nearly full, the
copies that were used longest ago are removed, so that a set that does not fit streams through. A copy is of one version
of its shard, as far as the shard's owner tells them apart (see `versions`).
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError
from pathlib import Path
from typing import NamedTuple

from ...errors import RunError, reason_of
from ...files import home, user_cache
from .addresses import is_remote, name_of

FREE = 0.1  # of the disk stays free
TRIES, PAUSE = 3, 1.0  # of a fetch that fails, and the seconds before the second one
THREADS = 4
LOCK, PARTIAL = ".lock", ".partial"


def cache_folder() -> Path:
    """`GRAPHSSL_CACHE`, or `graphssl` in the user's own cache folder."""
    named = os.environ.get("GRAPHSSL_CACHE")
    return home(named) if named else user_cache()


def kept_in(folder: Path, address: str, version: str, ending: str = "") -> Path:
    """Where something of a shard is kept: of this version, or where nobody says which that is, of the latest."""
    digest = hashlib.blake2b(address.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    name = f"{name_of(address.partition('?')[0])}{ending}"
    if version:
        return folder / f"{digest}-{version}-{name}"
    return max(folder.glob(f"{digest}-*{glob.escape(name)}"), key=_used, default=folder / f"{digest}-{name}")


class _Fetches(NamedTuple):
    """What a process has asked for, a few at a time."""

    process: int
    turns: threading.Semaphore
    coming: dict[str, Future[str]]


class Copies:
    """Where a shard lies on this machine. Used by each process for itself: they share the folder, and wait in turn.

    versions: of the shards at addresses, where known.
    """

    def __init__(self, versions: Mapping[str, str] | None = None) -> None:
        self.folder, self.versions = cache_folder() / "shards", dict(versions or {})
        self._fetches: _Fetches | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_fetches": None}

    def path(self, address: str) -> str:
        """The shard on this machine; waits until it is there. Raises RunError where it cannot be had."""
        if not is_remote(address):
            return address
        copy = self._start(address).result()
        with contextlib.suppress(OSError):
            os.utime(copy)  # used now
        return copy

    def ahead(self, addresses: Iterable[str]) -> None:
        """Begins to fetch what is not there yet."""
        for address in addresses:
            if is_remote(address):
                self._start(address)

    def _start(self, address: str) -> Future[str]:
        if self._fetches is None or self._fetches.process != os.getpid():  # threads do not survive a fork
            self._fetches = _Fetches(os.getpid(), threading.Semaphore(THREADS), {})
        fetches = self._fetches
        coming = fetches.coming.get(address)
        if coming is not None and coming.done() and (coming.exception() or not os.path.exists(coming.result())):
            coming = None
        if coming is None:
            coming = fetches.coming[address] = Future()
            # No executor: a process would only end when all is fetched that it had asked for.
            threading.Thread(target=self._run, args=(address, coming, fetches.turns), daemon=True).start()
        return coming

    def give_up(self) -> None:
        """Lets go who waits for a shard that is being fetched, with a RunError."""
        for coming in tuple(self._fetches.coming.values()) if self._fetches else ():
            with contextlib.suppress(InvalidStateError):
                coming.set_exception(RunError("given up"))

    def _run(self, address: str, coming: Future[str], turns: threading.Semaphore) -> None:
        with turns, contextlib.suppress(InvalidStateError):  # given up
            try:
                coming.set_result(self._fetched(address))
            except BaseException as error:
                coming.set_exception(error)

    def _fetched(self, address: str) -> str:
        target = kept_in(self.folder, address, self.versions.get(address, ""))
        if target.exists():
            return str(target)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _locked(target.with_suffix(LOCK)):
                if not target.exists():
                    self._fetch(address, target)
        except OSError as error:
            raise RunError(f"no copy of '{address}' can be kept in '{self.folder}': {error.strerror}") from error
        return str(target)

    def _fetch(self, address: str, target: Path) -> None:
        partial = target.with_suffix(PARTIAL)  # of one process at a time; or what a process left that was ended
        try:
            self._download(address, partial)
            os.replace(partial, target)
        except RunError:
            raise
        except FileNotFoundError as error:
            why = error.__cause__ or error  # of an address that does not answer
            known = isinstance(why, FileNotFoundError)
            raise RunError(f"there is no shard '{address}'" + ("" if known else f": {reason_of(why)}")) from error
        except Exception as error:
            raise RunError(f"the shard '{address}' cannot be fetched: {reason_of(error)}") from error
        finally:
            partial.unlink(missing_ok=True)

    def _download(self, address: str, partial: Path) -> None:
        """Tries a few times, but not where there is no such shard."""
        from fsspec.core import url_to_fs

        for attempt in range(TRIES):
            try:
                system, path = url_to_fs(address)
                size = system.size(path)  # None where nobody says
                self._make_room(size or 0)
                system.get_file(path, str(partial))
                if size is not None and (got := partial.stat().st_size) != size:
                    raise OSError(f"it ended after {got:,} of {size:,} bytes")
                return
            except (FileNotFoundError, PermissionError, RunError):
                raise
            except Exception:  # each protocol has its own
                if attempt + 1 == TRIES:
                    raise
                time.sleep(PAUSE * 2**attempt)

    def _make_room(self, size: int) -> None:
        """Removes the copies that were used longest ago. Who still has one open goes on reading it."""
        copies = sorted((p for p in self.folder.iterdir() if p.suffix not in (LOCK, PARTIAL)), key=_used)
        while (free := shutil.disk_usage(self.folder)).free - size < FREE * free.total and copies:
            copies.pop(0).unlink(missing_ok=True)
        if free.free < size:
            raise RunError(
                f"the disk of '{self.folder}' has no room for a shard of {size / 1e9:.1f} GB; GRAPHSSL_CACHE names "
                "another folder for the copies"
            )


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process was quicker
        return 0.0


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process, and one thread of it, at a time."""
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
