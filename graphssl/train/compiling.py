"""When a step is compiled, and where compiled code is kept from one run to the next."""

from __future__ import annotations

import os
import tempfile

import torch

from ..cache import user_cache

__all__ = ["compiles", "keep_compiled"]


def compiles(choice: str, device: torch.device) -> bool:
    """Whether `compile:` means to compile here. On a CPU compiling takes a minute, which short runs never win back."""
    return choice == "on" or (choice == "auto" and device.type == "cuda")


def keep_compiled() -> None:
    """Has torch keep compiled code in the user's cache folder, where a restart of the machine leaves it.

    `TORCHINDUCTOR_CACHE_DIR`, where the user has set it, says where instead.
    """
    # torchvision, once imported, has set torch's own default, which is among the temporary files.
    default = os.path.join(tempfile.gettempdir(), "torchinductor_")
    if os.environ.get("TORCHINDUCTOR_CACHE_DIR", default).startswith(default):
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(user_cache() / "compiled")
