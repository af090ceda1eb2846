"""Checkpoints on disk: an older one goes only when a newer one is durable."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..files import special
from ..world import current
from . import checkpoint_file
from .checkpoint_file import FORMAT, save, unwritable
from .checkpoint_parts import in_parts, load_parts, load_rest, remove, save_parts

__all__ = ["FORMAT", "Checkpoints", "load", "save"]

NAME = re.compile(r"step-(\d{8,})(\.pt)?")

log = logging.getLogger(__name__)


def load(path: str | Path, *, whole: bool = True) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU, running no code that it may hold. Raises RunError, which names it.

    whole: with the tensors of one that is in parts; else it has, beside what it says, its folder as `folder`.
    """
    path = Path(path)
    if not os.path.isdir(path):
        return checkpoint_file.load(path)
    return load_parts(path) if whole else {**load_rest(path), "folder": str(path)}


class Checkpoints:
    """The checkpoints of one run in a folder that only that run writes to: `step-00000120.pt`, or a folder of parts.

    keep: so many stay. While one is written there is room needed for one more.
    """

    def __init__(self, folder: str | Path, keep: int = 1) -> None:
        self.folder = Path(folder)
        self.keep = keep

    def write(self, step: int, payload: Mapping[str, Any]) -> Path:
        """Writes the state after `step` optimizer steps, then removes what is beyond `keep`. Raises RunError.

        The first process writes a file; where a process has only parts of it, all write a folder.
        """
        path, parts = self.folder / f"step-{step:08d}.pt", in_parts(payload)
        path = path.with_suffix("") if parts else path
        try:
            if current().first:
                self._clean(path)
            if parts:
                save_parts(path, {**payload, "format": FORMAT})
            elif current().first:
                save(path, {**payload, "format": FORMAT})
        except RunError as error:
            raise RunError(f"the checkpoint {error}; earlier checkpoints are untouched") from error
        if current().first:
            self._remove_older(step)
        return path

    def _remove_older(self, step: int) -> None:
        # A later one is here only when it could not be read, and training went on from an earlier one.
        older = [p for p in self.paths() if _step(p) <= step]
        for old in older[: -self.keep]:
            with contextlib.suppress(OSError):
                remove(old)

    def latest(self, *, whole: bool = True) -> dict[str, Any] | None:
        """The newest checkpoint that can be read, None where there is none.

        Warns of those that cannot be read, and raises RunError when none of them can. whole: as for `load`.
        """
        failure: RunError | None = None
        for path in reversed(self.paths()):
            try:
                payload = load(path, whole=whole)
                _check_step(path, payload)
            except RunError as error:
                if path not in self.paths():
                    return self.latest(whole=whole)  # the run that writes here has just replaced it
                log.warning("warning: %s", error)
                failure = failure or error
            else:
                return payload
        if failure is not None:
            begin = "without any, `--resume` begins anew"
            raise RunError(f"no checkpoint of this run can be read, and {begin}: {failure}") from failure
        return None

    def latest_path(self) -> Path | None:
        """The newest checkpoint's file, without reading it."""
        return next(reversed(self.paths()), None)

    def paths(self) -> list[Path]:
        """The checkpoints' files, oldest first. Raises RunError for a folder that is none, or cannot be read."""
        try:
            return sorted((p for p in self.folder.iterdir() if NAME.fullmatch(p.name)), key=_step)
        except OSError as error:
            if not os.path.lexists(self.folder):
                return []
            raise RunError(f"the checkpoints in {self.folder} cannot be read: {error.strerror or error}") from error

    def _clean(self, path: Path) -> None:
        """Makes the folder, and removes what a killed process left half-written in it.

        And what is at the place of a checkpoint to be, and no file: it was no checkpoint, and training went on past it.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(unwritable(self.folder, error)) from error
        odd = [path] if path.suffix and special(path) else []
        for left in [*self.folder.glob(".step-*.tmp"), *odd]:
            with contextlib.suppress(OSError):
                remove(left)


def _check_step(path: Path, payload: Mapping[str, Any]) -> None:
    """Raises RunError for a file that has got another's name: it would pass for newer than it is."""
    if payload["step"] != _step(path):
        raise RunError(f"{path} is of step {payload['step']}, whatever its name says: rename it, or delete it")


def _step(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1])
