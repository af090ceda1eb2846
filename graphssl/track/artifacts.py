"""Which files of a run may go to MLflow: those of its own folder, whatever a journal says."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ..errors import escaped
from ..files import special
from .entries import Entry
from .store import Refused

__all__ = ["inside", "located"]


def inside(path: Path, folder: Path) -> str | None:
    """A file's path from a folder on, None for one that is elsewhere, by its name or by a link."""
    real, root = os.path.realpath(path), os.path.realpath(folder)
    return os.path.relpath(real, root) if real.startswith(f"{root}{os.sep}") else None


def located(entry: Entry, folder: Path) -> Entry:
    """The entry with its file by the full path. Raises Refused for a file, or a place in MLflow, that it may not be."""
    if entry.kind == "model":
        return _model(entry, folder)
    place = entry.place
    if place is None:
        return entry
    if place.startswith("/") or ".." in place.split("/") or "\\" in place or escaped(place) != place:
        raise Refused(f"'{place}' is no place for an artifact")
    if entry.kind == "text":
        return entry
    path = folder / entry.data["path"]
    try:
        if inside(path, folder) is None:
            raise Refused(f"{path} is not in the run's folder, {folder}")
        if found := special(path):
            raise Refused(f"{path} is {found}")
        if not path.is_file():
            raise Refused(f"{path} is no longer there")
    except (OSError, ValueError) as error:  # a name with a null character
        raise Refused(f"'{path}' is no file: {error}") from error
    return replace(entry, data={**entry.data, "path": os.path.realpath(path)})


def _model(entry: Entry, folder: Path) -> Entry:
    """With the model's folder by its full path: every file of it is in the run's folder."""
    path = folder / entry.data["path"]
    if not (path / "MLmodel").is_file():
        raise Refused(f"there is no model in {path}")
    for file in path.rglob("*"):
        if inside(file, folder) is None or not (file.is_dir() or file.is_file()):
            raise Refused(f"{file} is no file of the run's folder, {folder}")
    return replace(entry, data={**entry.data, "path": os.path.realpath(path)})
