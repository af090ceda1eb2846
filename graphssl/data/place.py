"""Where a data set is kept: decoded on the device, decoded in memory, or on disk behind worker processes."""

from __future__ import annotations

from typing import Literal

import torch

from ..errors import RunError
from ..world import current
from .free import UNLIMITED, free_bytes

Place = Literal["device", "memory", "workers"]
DATA_SHARE_OF_DEVICE = 1 / 8  # of its free memory, which the training itself needs
DATA_SHARE_OF_MEMORY = 1 / 4  # of what is free of the host's
GB = 1e9


def choose(resident: str, need: int, device: torch.device) -> Place:
    """The place for `need` bytes of images of one size, which are in memory already.

    `auto`: the device if they take less than an eighth of its free memory.
    """
    if resident == "device" and device.type != "cpu":
        _refuse_too_large(need, free_device_memory(device), f"free on {device}")
        return "device"
    fits = device.type == "cuda" and need < DATA_SHARE_OF_DEVICE * free_device_memory(device)
    return "device" if resident == "auto" and fits else "memory"


def choose_for_pictures(resident: str, need: int) -> Place:
    """The place for pictures in files, each of its own size, which take `need` bytes when they are decoded.

    `auto`: the host's memory if they take less than a quarter of what is available, else workers. They are cut one by
    one, by a CPU, so that `device` means the memory.
    """
    if resident in ("memory", "device"):
        _refuse_too_large(need, free_memory(), "available in memory")
        return "memory"
    return "memory" if resident == "auto" and need < DATA_SHARE_OF_MEMORY * free_memory() else "workers"


def _refuse_too_large(need: int, free: int, where: str) -> None:
    if need > free:
        raise RunError(
            f"the decoded data set takes {need / GB:.1f} GB and {free / GB:.1f} GB are {where}; "
            "choose `data.resident: auto`, or `workers`"
        )


def free_device_memory(device: torch.device) -> int:
    """Bytes; a device that does not say has no limit."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else UNLIMITED


def free_memory() -> int:
    """Bytes that may be used without swapping, within the container's limit; unknown is no limit.

    Of several processes on a machine each has its share.
    """
    return free_bytes() // current().here
