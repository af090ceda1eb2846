"""The picture files that a path stands for, each with the class that its folders say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...data.folder import HELD_OUT_FOLDERS, SUFFIXES
from ...data.left_out import LeftOut
from ...data.walk import Walk
from ...errors import UsageError, suggest
from ...files import home, special

__all__ = ["Found", "listed"]

log = logging.getLogger(__name__)

SPLITS = ("train", *HELD_OUT_FOLDERS)


class Found(NamedTuple):
    """A picture file: its path, as it was named; its class, None where no folder says one."""

    path: str
    label: str | None


def listed(path: str | Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[Found]:
    """A file, whatever it is called; of a folder the pictures in it and below, sorted by their names.

    The class is the first folder below the one that is named, or where that is a split (`train`, `test`, `val` ...)
    the next. Names that begin with a dot are passed over, and folders that were seen before, by a link that leads back.
    What is left out is said, to this module's logger. Raises UsageError for a path that is not there, and for a folder
    without pictures.
    """
    if not str(path):
        raise UsageError("there is no file or folder '': the folder that one is in is '.'")
    root = home(path)
    if (there := _standing(root, path)) == "a folder":
        found = sorted(_below(root, suffixes))
        if not found:
            raise UsageError(f"no pictures in '{path}'; their names end in {', '.join(suffixes)}")
        return found
    if there:
        raise UsageError(f"'{path}' is {there}, and no file or folder")
    return [Found(str(root), None)]


def _standing(root: Path, path: str | Path) -> str | None:
    """What stands there, None for a file. Raises UsageError for nothing, and where the system does not say."""
    try:
        root.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise UsageError(f"there is no file or folder '{path}'{_nearly(root)}") from None
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror}") from error
    return special(root)


def _nearly(path: Path) -> str:
    """What it may have been meant to be; nothing where its folder has many files."""
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = suggest(path.name, beside)
    return f": did you mean '{path.parent / hint.near}'?" if hint.near else ""


def _below(root: Path, suffixes: tuple[str, ...]) -> Iterator[Found]:
    walk, told = Walk(root, _stop), LeftOut()
    for one in walk.below(str(root)):
        name = Path(one.name)
        is_picture = name.name.lower().endswith(suffixes)
        if is_picture and not name.name.startswith("."):
            yield Found(str(Path(one.path)), _label(name.parent.parts))
        elif is_picture or not name.name.startswith("."):
            told.add("hidden" if is_picture else "form", [one.path])
    told.walked(walk)
    for note in told.notes:
        log.warning("%s", note)


def _label(folders: tuple[str, ...]) -> str | None:
    inner = folders[1:] if folders[:1] and folders[0].lower() in SPLITS else folders
    return inner[0] if inner else None


def _stop(error: OSError) -> None:
    raise UsageError(f"'{error.filename}' cannot be listed: {error.strerror}") from error
