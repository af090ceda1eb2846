"""Tensors of a file by their names: torch's files and safetensors, running no code that a file may hold.

Nothing but the names and shapes is read here: the tensors are mapped into memory, and read where they are copied from.
"""

from __future__ import annotations

import argparse
import hashlib
import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...files import check_archive, special
from .likeness import is_module, protocol_of, refuse_others, rewritten
from .refusal import Refused
from .spread import spread

__all__ = ["Tables", "check_sums", "digest", "read_tables", "tables_in"]

Tables = Mapping[str, Mapping[str, Tensor]]  # by where in the file they are, `state_dict`, tensors by name

DEPTH = 4  # of mappings in mappings
READABLE = 3  # the last protocol of pickles that torch reads without running them; torch.save's own is 2
NO_WEIGHTS = ("optim", "scaler", "sched", "amp")  # what begins so holds none

# Beside tensors: the plain options and numbers that authors keep in their checkpoints, which run nothing when read.
PLAIN: list[Any] = [
    argparse.Namespace, np.dtype, np._core.multiarray.scalar,  # type: ignore[attr-defined]
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),  # type: ignore[attr-defined]  # numpy before 2
    *(type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "b1")),
]  # fmt: skip


def read_tables(path: Path) -> Tables:
    """The tensors of a file. Raises Refused for one that is not there, is damaged, or holds Python objects."""
    if found := special(path):
        raise Refused(f"{path} is {found}, and not a file of weights")
    refuse_others(path)
    if path.suffix == ".safetensors":
        return {"": _read_safetensors(path)}
    tables = tables_in(_read_torch(path))
    if why := spread(item for table in tables.values() for item in table.items()):
        raise Refused(f"{path} is no file of weights: {why}")
    return tables


def tables_in(content: Any) -> Tables:
    """Every mapping from names to tensors, in mappings of any depth, by its path."""
    found = dict(_tables(content, "", DEPTH))
    if not found:
        what = "mapping without tensors" if isinstance(content, Mapping) else type(content).__name__
        raise Refused(f"there are no weights by their names in it, but a {what}")
    return found


def _tables(content: Any, path: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    if not isinstance(content, Mapping) or not depth:
        return
    if own := {key: value for key, value in content.items() if isinstance(key, str) and _is_tensor(value)}:
        yield path, own
    for key, value in content.items():
        if isinstance(key, str) and not key.lower().startswith(NO_WEIGHTS):
            yield from _tables(value, f"{path}.{key}" if path else key, depth - 1)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) and not value.is_nested  # which has no shape


def _read_torch(path: Path) -> Any:
    mapped = zipfile.is_zipfile(path)  # else torch before 1.6
    if mapped:
        _check(path, sums=False)
    try:
        with torch.serialization.safe_globals(PLAIN), _quietly():
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True if mapped else None)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        if not mapped and not _is_pickle(path):
            raise Refused(f"{path} is no file of weights", "a .pt, .pth or .safetensors file is") from error
        raise Refused(*_needs_code(path)) from error
    except Exception as error:  # a damaged file can make the reader fail in any way
        reason = str(error).split("\n", 1)[0].split(". ", 1)[0] or type(error).__name__
        raise Refused(f"{path} is damaged, or no file of weights ({reason})") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Without torch's warnings of how a file was written, which say nothing of its weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _needs_code(path: Path) -> tuple[str, str]:
    """What to say of a file that holds more than tensors and plain values."""
    try:
        with torch.serialization.safe_globals(PLAIN), _quietly():
            names = ", ".join(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # only of torch's newer files it is known
        names = ""
    code = f"Python objects{{}} its weights{f' ({names})' if names else ''}, which would run code"
    trust = "if you trust who made it, write its weights alone, once"
    if is_module(path):
        command = rewritten(path, "torch.load", ".state_dict()", "weights_only=False, ")
        hint = f"{trust}, where its class can be imported: {command}"
        return f"{path} is a whole module, and not weights by their names: it holds {code.format(' around')}", hint
    if (protocol := protocol_of(path)) > READABLE:
        command = rewritten(path, "torch.load", "", "weights_only=False, ")
        hint = f"{trust.replace('its weights alone', 'it anew')}: {command}"
        return f"{path} is a pickle of protocol {protocol}, which cannot be read without running code", hint
    command = rewritten(path, "torch.load", "['state_dict']", "weights_only=False, ")
    other = "another key than state_dict where it has another, and .state_dict() behind it where a module is there"
    return f"{path} holds {code.format(' beside')}", f"{trust}: {command}; {other}"


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror or error}") from error
    except SafetensorError as error:
        raise Refused(f"{path} is damaged, or no file of safetensors ({error})") from error


def check_sums(path: Path) -> None:
    """Reads a file whole. Raises Refused where it is damaged, which mapped tensors would not tell."""
    if zipfile.is_zipfile(path):
        _check(path, sums=True)


def _check(path: Path, *, sums: bool) -> None:
    """Raises Refused for an archive that is damaged, or would fill the memory with less than that on the disk."""
    try:
        check_archive(path, sums=sums)
    except zipfile.BadZipFile as error:
        raise Refused(f"{path} is damaged, or no file of weights ({error})") from error
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror or error}") from error


def digest(path: Path) -> str:
    """The SHA-256 of a file: about a second for 1 GB."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
