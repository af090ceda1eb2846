"""Files that are there whole or not at all, and the cache of what can be made again."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import RunError

__all__ = [
    "NotRegular", "check_archive", "check_place", "home", "opened_regular", "read_regular", "remove_unused",
    "replacing", "special", "user_cache", "write_whole", "writing",
]  # fmt: skip

UNUSED = 30 * 24 * 3600  # seconds
SPECIAL = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}  # fmt: skip


def user_cache() -> Path:
    """`graphssl` in the user's own cache folder; among the temporary files for a user without a home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "graphssl"
    except RuntimeError:  # a container's user, say
        return Path(tempfile.gettempdir(), f"graphssl-{os.getuid()}")


def remove_unused(folder: Path) -> None:
    """Removes the files under a folder that nobody has read or written for 30 days.

    Where a file system does not note reading (noatime), nothing is known of their use, and all stay; so do empty ones:
    locks, which take no room. What cannot be removed, or another process removes at the same time, is no error.
    """
    with contextlib.suppress(OSError):
        if os.statvfs(folder).f_flag & getattr(os, "ST_NOATIME", 0):
            return
    before = time.time() - UNUSED
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                facts = os.lstat(path := os.path.join(parent, name))
                if facts.st_size and max(facts.st_atime, facts.st_mtime) < before:
                    os.unlink(path)


def home(path: str | Path) -> Path:
    """A path that begins with `~` from the home of that user; as it is where nobody here is called so."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def special(path: Path) -> str | None:
    """What stands there, or where a link there leads, if it is no regular file: a device, say. None for nothing."""
    try:
        return SPECIAL.get(stat.S_IFMT(path.stat().st_mode))
    except (OSError, ValueError):  # a name with a null character
        return None


class NotRegular(OSError):
    """A file that is no regular one: what it is, in `strerror`."""


@contextlib.contextmanager
def opened_regular(path: str | Path, buffering: int = -1) -> Iterator[Any]:
    """A regular file, to be read. Raises OSError, NotRegular for a pipe, say, for whose other end nobody waits."""
    with open(path, "rb", buffering, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise NotRegular(errno.EINVAL, f"it is {SPECIAL.get(stat.S_IFMT(mode), 'special')}, and no regular file")
        yield file


def read_regular(path: Path, most: int) -> bytes | None:
    """What a regular file holds; None where that is more than `most` bytes. Raises OSError.

    It does not wait for what the system may have to say in a file of its own.
    """
    with opened_regular(path, buffering=0) as file:
        pieces, left = [], most + 1
        while left and (piece := file.read(left)):
            pieces.append(piece)
            left -= len(piece)
    return b"".join(pieces) if left else None


def check_place(path: Path) -> None:
    """Raises OSError for what a file must not take the place of: a device, a pipe, a socket, a folder."""
    if found := special(path):
        raise OSError(errno.EEXIST, f"it is {found}, and no regular file")
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "its name has a null character")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to: it takes the place of `path` at the end, or is gone when that goes wrong.

    A link to a file is replaced itself, and the file that it leads to stays. Raises OSError as `check_place`.
    """
    check_place(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(name: str | Path) -> Iterator[None]:
    """Meanwhile what the system refuses is a RunError: that the file of this name cannot be written, and why."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{name} cannot be written: {error.strerror or error}") from error


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file so that it is there whole or not at all. Raises RunError where it cannot be written."""
    with writing(path), replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())


def check_archive(path: str | Path, *, sums: bool) -> None:
    """Raises zipfile.BadZipFile for a file of tensors that would come to more than it takes on the disk, or is damaged.

    sums: whether all of it is read, for the check sums, which torch does not compare.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise zipfile.BadZipFile("it is compressed")
        if sum(entry.file_size for entry in entries) > os.path.getsize(path):
            raise zipfile.BadZipFile("its parts are longer than itself")
        damaged = archive.testzip() if sums else None
    if damaged is not None:
        raise zipfile.BadZipFile(f"the check sum of {damaged} is wrong")
