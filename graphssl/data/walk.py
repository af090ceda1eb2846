"""The files in and below a folder, each once: a link to a folder that is reached anyway is not followed.

os.walk, told to follow links, goes round in circles, and lists a folder once for each way that leads to it. What runs
have written is no data: their folders, and MLflow's, are not entered, unless the walk is of one of them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .made import is_made

__all__ = ["Found", "Walk", "is_folder", "real_path"]

TOOLS = {".git", ".hg", ".svn", ".venv", ".cache", ".ipynb_checkpoints"}  # folders of tools, which nobody asks after


class Found(NamedTuple):
    """A file: relative to the folder that was asked for; where it is; and where that is without links."""

    name: str
    path: str
    real: str


def real_path(path: str, folder: str) -> str:
    """Of a file, whose folder's real path is known: what only costs a look where the file itself is a link."""
    return os.path.realpath(path) if os.path.islink(path) else os.path.join(folder, os.path.basename(path))


class Walk:
    """Of a folder and what is below it. Names that begin with a dot are passed over.

    again: links to folders that were not followed, for what they lead to is in the walk already, or holds it.
    barred: folders that cannot be listed, and why. stop: is called for these instead. made: folders of runs and of
    MLflow. hidden: names that begin with a dot. most: entries that are looked at; cut: whether there were more.
    """

    def __init__(
        self, base: str | os.PathLike[str], stop: Callable[[OSError], None] | None = None, most: int | None = None
    ) -> None:
        self._base, self._asked = os.path.realpath(base), os.path.abspath(base)
        self._seen = set[tuple[int, int]]()
        self._claimed = set[str]()
        self._stop, self._left = stop, most
        self.cut = False
        self.again, self.barred, self.made, self.hidden = list[str](), list[str](), list[str](), list[str]()

    def folders(self, folder: str) -> list[str]:
        """The names of those directly in a folder, sorted."""
        return sorted(entry.name for entry in self._entries(folder) if is_folder(entry))

    def classes(self, folder: str) -> list[str]:
        """As `folders`, for those that will be asked for one by one: what is below one cannot take another away."""
        names, hidden = list[str](), list[str]()
        for entry in self._entries(folder):
            if is_folder(entry, dots=True):
                (hidden if entry.name.startswith(".") else names).append(entry.name)
        self.hidden += [os.path.join(folder, name) for name in sorted(hidden) if name not in TOOLS]
        paths = [os.path.join(folder, name) for name in sorted(names)]
        for path in sorted(paths, key=lambda path: (os.path.islink(path), path)):
            if self._enters(path, os.path.islink(path)):
                self._claimed.add(os.path.normpath(path))
        return [os.path.basename(path) for path in paths if os.path.normpath(path) in self._claimed]

    def files(self, folder: str) -> Iterator[Found]:
        """Those directly in a folder."""
        real = os.path.realpath(folder)
        for entry in self._entries(folder):
            if not is_folder(entry, dots=True):
                yield _found(entry, real, "")

    def below(self, folder: str) -> Iterator[Found]:
        """Those in a folder and below it, unless this one was entered before."""
        linked = os.path.islink(folder) and os.path.abspath(folder) != self._asked
        ways = [(folder, "")] if os.path.normpath(folder) in self._claimed or self._enters(folder, linked) else []
        while ways:
            here, inner = ways.pop()
            real, folders = os.path.realpath(here), []
            for entry in self._entries(here):
                if not is_folder(entry, dots=True):
                    yield _found(entry, real, inner)
                elif not entry.name.startswith("."):
                    folders.append((entry.name, entry.is_symlink()))
                elif entry.name not in TOOLS:
                    self.hidden.append(entry.path)
            # Folders before links: what can be reached without one is.
            for name, linked in sorted(folders, key=lambda one: (one[1], one[0])):
                if self._enters(path := os.path.join(here, name), linked):
                    ways.append((path, os.path.join(inner, name)))

    def _enters(self, path: str, linked: bool) -> bool:
        """Whether a folder is entered now, for the first time."""
        try:
            facts = os.stat(path)
        except OSError as error:
            self._bar(path, error)
            return False
        if os.path.abspath(path) != self._asked and is_made(path):
            self.made.append(path)
            return False
        key = (facts.st_dev, facts.st_ino)
        if key in self._seen or (linked and self._is_reached(os.path.realpath(path))):
            self.again.append(path)
            return False
        self._seen.add(key)
        return True

    def _is_reached(self, real: str) -> bool:
        """Whether what a link leads to is in the walk without it, or holds all of it."""
        inner = os.path.relpath(real, self._base).split(os.sep)
        hidden = any(name.startswith(".") and name != os.curdir for name in inner)
        return _is_in(self._base, real) or (_is_in(real, self._base) and not hidden)

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        """As they come: a folder may have millions, and who asks may want one."""
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if self._left is not None:
                        if not self._left:
                            self.cut = True
                            return
                        self._left -= 1
                    yield entry
        except OSError as error:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                self._bar(folder, error)

    def _bar(self, folder: str, error: OSError) -> None:
        if self._stop is not None:
            self._stop(error)
        self.barred.append(f"{folder}: {error.strerror}")


def _is_in(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


def is_folder(entry: os.DirEntry[str], *, dots: bool = False) -> bool:
    """Whether it is one, or a link to one."""
    try:
        return entry.is_dir() and (dots or not entry.name.startswith("."))
    except OSError:  # a link to itself
        return False


def _found(entry: os.DirEntry[str], real: str, inner: str) -> Found:
    path = os.path.join(real, entry.name)
    with contextlib.suppress(OSError):  # a process under /proc that is gone
        path = os.path.realpath(entry.path) if entry.is_symlink() else path
    return Found(os.path.join(inner, entry.name), entry.path, entry.path if path == entry.path else path)
