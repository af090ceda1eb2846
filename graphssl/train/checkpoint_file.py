"""A checkpoint in one file, which is there whole or not at all, and runs no code when it is read."""

from __future__ import annotations

import contextlib
import os
import shutil
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checks.weights.spread import spread
from ..errors import RunError
from ..files import check_archive, replacing, special

__all__ = ["FORMAT", "load", "named", "save", "synced", "unwritable"]

FORMAT = 1
KEYS = ("graph_hash", "step")
KINDS = {
    "graph_hash": str, "step": int, "graph": dict, "code": dict, "computed": str, "samples": int, "scores": dict,
    "model": dict, "optimizer": dict, "scaler": dict,
}  # fmt: skip
PLAIN = (bool, int, float, str, type(None))


def save(path: str | Path, payload: Mapping[str, Any]) -> None:
    """Writes tensors, numbers, strings, lists and mappings of them so that `path` is whole or untouched.

    The file is written under another name beside it, made durable, and renamed. Raises RunError where it cannot be
    written (the disk is full, say), TypeError for a value that `load` would refuse.
    """
    path = Path(path)
    _check_plain(payload, "payload")
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(dict(payload), file)
            file.flush()
            os.fsync(file.fileno())
        synced(path.parent)
    except (OSError, RuntimeError) as error:
        raise RunError(unwritable(path, error)) from error


def load(path: str | Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU, running no code that it may hold. Raises RunError, which names the file."""
    try:
        if found := special(Path(path)):
            raise zipfile.BadZipFile(f"it is {found}")
        check_archive(path, sums=True)
        payload = torch.load(path, map_location="cpu", weights_only=True)
        if why := spread(named(payload).items()):
            raise zipfile.BadZipFile(why)
    except FileNotFoundError:
        if os.path.islink(path):
            reason = f"it is a link to {os.readlink(path)}, where nothing is"
            raise RunError(f"{path} is no checkpoint ({reason}); delete it to go on without it") from None
        raise RunError(f"there is no checkpoint {path}") from None
    except OSError as error:
        raise RunError(f"the checkpoint {path} cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged file can make the reader fail in any way
        reason = str(error).split("\n", 1)[0].split(". ", 1)[0] or type(error).__name__
        raise RunError(f"{path} is damaged, or no checkpoint ({reason}); delete it to go on without it") from error
    return _recognised(payload, path)


def named(payload: Any, path: str = "") -> dict[str, Tensor]:
    """The tensors of mappings in mappings, by their path: `model/encoder.weight`, `optimizer/state/3/exp_avg`."""
    return dict(_named(payload, path))


def _named(payload: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(payload, Tensor):
        yield path, payload
    elif isinstance(payload, Mapping):
        for key, value in payload.items():
            yield from _named(value, f"{path}/{key}" if path else str(key))


def _recognised(payload: Any, path: str | Path) -> dict[str, Any]:
    """The payload, if this version can read it."""
    written = payload.get("format") if isinstance(payload, dict) else None
    if not isinstance(written, int) or any(key not in payload for key in KEYS):
        raise RunError(f"{path} is no checkpoint of a run: it says nothing of {', '.join(('format', *KEYS))}")
    if written != FORMAT:
        age = "a newer" if written > FORMAT else "an older"
        raise RunError(
            f"{path} was written by {age} version of graphssl (checkpoint format {written}; this one reads {FORMAT}); "
            "go on with the version that wrote it"
        )
    for key, kind in KINDS.items():
        if not isinstance(payload.get(key, kind()), kind):
            raise RunError(f"{path} is no checkpoint of a run: its {key} is {type(payload[key]).__name__}")
    recognised: dict[str, Any] = payload
    return recognised


def _check_plain(value: Any, where: str) -> None:
    """Refuses what could be saved but not loaded; numpy's numbers look like Python's and are not."""
    if type(value) in (dict, OrderedDict):
        for key, entry in value.items():
            _check_plain(key, f"a key of {where}")
            _check_plain(entry, f"{where}[{key!r}]")
    elif type(value) in (list, tuple):
        for i, entry in enumerate(value):
            _check_plain(entry, f"{where}[{i}]")
    elif not isinstance(value, Tensor) and type(value) not in PLAIN:
        raise TypeError(
            f"{where} is a {type(value).__name__}; a checkpoint holds tensors, numbers, strings, lists, dicts"
        )


def synced(folder: Path) -> None:
    """Makes a rename durable. Windows cannot open folders, and renames durably by itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(path: Path, error: Exception) -> str:
    cause = error if isinstance(error, OSError) else error.__context__  # torch hides the cause in the context
    reason = cause.strerror or str(cause) if isinstance(cause, OSError) else str(error).split("\n", 1)[0]
    if not isinstance(
        cause, FileExistsError | FileNotFoundError | IsADirectoryError | NotADirectoryError | PermissionError
    ):
        with contextlib.suppress(OSError):
            reason += f"; {shutil.disk_usage(path.parent).free / 1e6:,.0f} MB are free"
    return f"{path} cannot be written ({reason})"
