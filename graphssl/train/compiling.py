"""When a step is compiled, and where compiled code is kept from one run to the next."""

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

from ..errors import reason_of
from ..files import remove_unused, user_cache

__all__ = ["compiles", "failed_to_compile", "keep_compiled", "reason_of_failure", "remove_unused_code"]


def compiles(choice: str, device: torch.device) -> bool:
    """Whether `compile:` means to compile here. On a CPU compiling takes a minute, which short runs never win back."""
    return choice == "on" or (choice == "auto" and device.type == "cuda")


def failed_to_compile(error: BaseException) -> bool:
    """Whether an error is the compiler's: code that it does not take, or takes no more of, before any of it has run."""
    # By name: the module takes seconds to import, where nothing is compiled.
    return any(kind.__module__ == "torch._dynamo.exc" for kind in type(error).__mro__)


def reason_of_failure(error: BaseException) -> str:
    """Why a step does not compile, in one line: what the compiler says of the code, or what broke in or after it."""
    inner, cause = getattr(error, "inner_exception", None), error.__cause__
    if inner is None:
        inner = cause if cause is not None and failed_to_compile(cause) else error
    kind = "" if failed_to_compile(inner) else f"{type(inner).__name__}: "
    return f"{kind}{reason_of(inner)}".rstrip(".")


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
