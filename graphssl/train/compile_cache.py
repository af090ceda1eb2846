"""Where compiled code is kept from one run to the next, and for how long."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from ..files import remove_unused, user_cache

__all__ = ["keep_compiled", "remove_unused_code"]


def keep_compiled(classes: Iterable[type]) -> None:
    """Has torch keep compiled code in the user's cache folder, where a restart of the machine leaves it.

    `TORCHINDUCTOR_CACHE_DIR`, where the user has set it, says where instead; where the folder cannot be written, torch
    keeps it among the temporary files. Code is taken again as long as the sources are the same: of torch, whose keys
    say so, of the framework, and of the packages of the classes. torch's keys name an operator of our own, or of the
    user's, without the code of its gradient.
    """
    torch.compiler.config.cache_key_tag = os.environ.get("TORCH_COMPILE_CACHE_KEY_TAG", "") + _fingerprint(classes)
    # torchvision, once imported, has set torch's own default, which is among the temporary files.
    default = os.path.join(tempfile.gettempdir(), "torchinductor_")
    if os.environ.get("TORCHINDUCTOR_CACHE_DIR", default).startswith(default):
        folder = _our_folder()
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)


def remove_unused_code() -> None:
    """Removes what has not been used for 30 days, from our folder and while training goes on.

    To be called when the step has been compiled: what was old then and is needed has been used.
    """
    folder = _our_folder()
    if os.environ.get("TORCHINDUCTOR_CACHE_DIR") == str(folder):
        threading.Thread(target=remove_unused, args=(folder,), daemon=True).start()


def _our_folder() -> Path:
    return user_cache() / "compiled"


def _fingerprint(classes: Iterable[type]) -> str:
    names = {__name__, *(c.__module__ for c in classes)}
    files = {file for name in names for file in _files(name) if file.is_file()}
    contents = sorted(hashlib.sha256(file.read_bytes()).digest() for file in files)
    return hashlib.sha256(b"".join(contents)).hexdigest()


def _files(module: str) -> Iterator[Path]:
    """A module's file, and all of the packages that it is in. What is typed into a notebook has none."""
    names = module.split(".")
    for i in range(1, len(names)):
        for folder in getattr(sys.modules.get(".".join(names[:i])), "__path__", ()):
            yield from Path(folder).rglob("*.py")
    if (file := getattr(sys.modules.get(module), "__file__", None)) is not None:
        yield Path(file)
