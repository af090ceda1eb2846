"""Local copies of remote shards: fetched whole, once, into the user's cache; the oldest make room for the next.

A shard at an address is read in one sweep and then from the disk, in any order. When the disk is nearly full, the
copies that were used longest ago are removed, so that a set that does not fit streams through.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ..cache import user_cache
from ..errors import RunError, reason_of
from .addresses import is_remote, name_of

FREE = 0.1  # of the disk stays free
TRIES, PAUSE = 3, 1.0  # of a fetch that fails, and the seconds before the second one
THREADS = 4


def cache_folder() -> Path:
    """`GRAPHSSL_CACHE`, or `graphssl` in the user's own cache folder."""
    named = os.environ.get("GRAPHSSL_CACHE")
    return Path(named).expanduser() if named else user_cache()


def key_of(address: str, *facts: object) -> str:
    """A file name for what is kept of a shard."""
    digest = hashlib.blake2b(repr((address, *facts)).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return f"{digest}-{name_of(address.partition('?')[0])}"


class Copies:
    """Where a shard lies on this machine. Used by each process for itself: they share the folder, and wait in turn."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (cache_folder() if folder is None else folder) / "shards"
        self._pool: tuple[int, ThreadPoolExecutor] | None = None
        self._coming: dict[str, Future[str]] = {}

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "_pool": None, "_coming": {}}

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
        if self._pool is None or self._pool[0] != os.getpid():  # threads do not survive a fork
            self._pool, self._coming = (os.getpid(), ThreadPoolExecutor(THREADS)), {}
        coming = self._coming.get(address)
        if coming is not None and coming.done() and (coming.exception() or not os.path.exists(coming.result())):
            coming = None
        if coming is None:
            coming = self._coming[address] = self._pool[1].submit(self._fetched, address)
        return coming

    def _fetched(self, address: str) -> str:
        target = self.folder / key_of(address)
        if target.exists():
            return str(target)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _locked(target.with_suffix(".lock")):
                if not target.exists():
                    self._fetch(address, target)
        except OSError as error:
            raise RunError(f"no copy of '{address}' can be kept in '{self.folder}': {error.strerror}") from error
        return str(target)

    def _fetch(self, address: str, target: Path) -> None:
        from fsspec.core import url_to_fs

        partial = target.with_suffix(f".{os.getpid()}.partial")
        try:
            for attempt in range(TRIES):
                try:
                    system, path = url_to_fs(address)
                    size = system.size(path)  # None where nobody says
                    self._make_room(size or 0)
                    system.get_file(path, str(partial))
                    if size is not None and (got := partial.stat().st_size) != size:
                        raise OSError(f"it ended after {got:,} of {size:,} bytes")
                    break
                except (FileNotFoundError, PermissionError, RunError):
                    raise
                except Exception:  # each protocol has its own
                    if attempt + 1 == TRIES:
                        raise
                    time.sleep(PAUSE * 2**attempt)
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

    def _make_room(self, size: int) -> None:
        """Removes the copies that were used longest ago. Who still has one open goes on reading it."""
        copies = sorted(self.folder.glob("*.tar"), key=_used)
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
    try:
        import fcntl
    except ImportError:  # not on Windows, where two may fetch the same
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
