"""Runs that are removed, or called otherwise: on disk, and in MLflow."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import RunError, UsageError
from ..track import rename_run
from .folder import RUNS, RunFolder, find_run
from .naming import check_name

__all__ = ["move_run", "remove_runs", "size_of"]


def remove_runs(
    names: Sequence[str], confirm: Callable[[Sequence[RunFolder]], bool] = lambda _: True
) -> list[RunFolder]:
    """Removes the folders of runs; their runs in MLflow stay. Those that are gone; none where it is not confirmed.

    Raises UsageError where one is not there, or is being trained: then none is removed.
    """
    folders = [find_run(name) for name in dict.fromkeys(names)]
    _refuse_training(folders)
    if not confirm(folders):
        return []
    for folder in folders:
        _remove(folder)
    return folders


def _refuse_training(folders: Sequence[RunFolder]) -> None:
    if busy := [folder.name for folder in folders if folder.is_claimed()]:
        raise UsageError(f"{', '.join(map(repr, busy))}: being trained by another process: wait, or end that")


def _remove(folder: RunFolder) -> None:
    """First out of sight, so that none is seen half."""
    aside = folder.path.with_name(f".removed-{folder.name}-{os.getpid()}")
    try:
        folder.path.rename(aside)
        shutil.rmtree(aside)
    except OSError as error:
        raise RunError(f"{folder.path} cannot be removed: {error.strerror or error}") from error


def size_of(folder: RunFolder) -> int:
    """Bytes that it takes."""
    total = 0
    for parent, _, names in os.walk(folder.path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def move_run(name: str, new: str, warn: Callable[[str], None]) -> RunFolder:
    """Calls a run otherwise, also in MLflow. warn: told where that store does not take it.

    Raises UsageError for a run that is not there, or is being trained, and for a name that is taken or none.
    """
    folder = find_run(name)
    check_name(new)
    _refuse_training([folder])
    path = folder.path.with_name(new) if folder.path.parent != Path() else RUNS / new
    if os.path.lexists(path):
        raise UsageError(f"{path} is there already: choose another name")
    try:
        folder.path.rename(path)
    except OSError as error:
        raise RunError(f"{folder.path} cannot be renamed: {error.strerror or error}") from error
    moved = RunFolder(path)
    if (known := moved.facts().get("mlflow")) is not None:
        try:
            rename_run(known, new, str(path))
        except RunError as error:
            warn(f"warning: in MLflow it is still called '{name}' ({error})")
    return moved
