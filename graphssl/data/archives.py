"""The named sets that torchvision reads and downloads, as uint8 arrays.

SVHN without its `extra` part. STL-10's training split is its 5,000 labelled and then its 100,000 unlabelled
pictures, label -1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .. import spec
from ..errors import RunError

Split = tuple[Tensor, Tensor]  # image uint8 `n 3 h w`, label int64 `n`
CHUNK = 1024


@dataclass(frozen=True)
class Archive:
    """How torchvision calls a set: its class, what selects a split, what the root then holds."""

    cls: str
    train: dict[str, Any]
    test: dict[str, Any]
    holds: str
    megabytes: int


ARCHIVES = {
    "cifar10": Archive("CIFAR10", {"train": True}, {"train": False}, "cifar-10-batches-py", 170),
    "cifar100": Archive("CIFAR100", {"train": True}, {"train": False}, "cifar-100-python", 170),
    "fashion_mnist": Archive("FashionMNIST", {"train": True}, {"train": False}, "FashionMNIST/raw", 30),
    "svhn": Archive("SVHN", {"split": "train"}, {"split": "test"}, "train_32x32.mat", 250),
    "stl10": Archive("STL10", {"split": "train+unlabeled"}, {"split": "test"}, "stl10_binary", 2640),
}


def load(data: spec.Data, size: int) -> tuple[tuple[Split, Split], tuple[str, ...]]:
    """Training and held-out split at `size` x `size`, and the classes. Raises RunError if it is not there."""
    archive = ARCHIVES[data.use]
    root = Path(data.root or ".").expanduser()
    train, classes = _read(data, archive, root, archive.train)
    test, _ = _read(data, archive, root, archive.test)
    return (_sized(train, size), _sized(test, size)), classes


def _read(data: spec.Data, archive: Archive, root: Path, split: dict[str, Any]) -> tuple[Split, tuple[str, ...]]:
    from torchvision import datasets

    cls: Callable[..., Any] = getattr(datasets, archive.cls)
    try:
        found = cls(str(root), download=data.download, **split)
        classes = tuple(getattr(found, "classes", None) or "0123456789")
        label = torch.as_tensor(found.targets if hasattr(found, "targets") else found.labels)
        return (_channels_first(torch.as_tensor(found.data)), label.to(torch.int64)), classes
    except Exception as error:
        # torchvision and what it reads with (pickle, scipy, urllib) raise many kinds.
        raise RunError(_remedy(data, archive, root, error)) from error


def _channels_first(image: Tensor) -> Tensor:
    """`n h w`, `n h w 3` or `n 3 h w` to `n 3 h w`."""
    if image.ndim == 3:
        return image[:, None].expand(-1, 3, -1, -1)
    return image.permute(0, 3, 1, 2) if image.shape[-1] == 3 else image


def _sized(split: Split, size: int) -> Split:
    image, label = split
    if image.shape[-1] == size:
        return split
    out = torch.empty((len(image), 3, size, size), dtype=torch.uint8)
    for part, into in zip(torch.split(image, CHUNK), torch.split(out, CHUNK), strict=True):
        into.copy_(functional.interpolate(part.contiguous(), (size, size), mode="bilinear", antialias=True))
    return out, label


def _remedy(data: spec.Data, archive: Archive, root: Path, error: Exception) -> str:
    holds = root / archive.holds
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if data.download:
        return (
            f"'{data.use}' could not be downloaded to '{root.absolute()}': {reason}. Without a network, "
            f"put '{archive.holds}' there from another machine"
        )
    fetch = f"set `data.download: true` to fetch it (about {archive.megabytes:,} MB)"
    if holds.exists():
        return (
            f"'{data.use}' cannot be read: '{holds.absolute()}' is incomplete or damaged ({reason}). "
            f"Delete it and put it there again, or {fetch}"
        )
    inner = root.name == Path(archive.holds).parts[0]
    hint = f"`data.root` is the folder that holds '{archive.holds}': '{root.parent}'. Else " if inner else ""
    return (
        f"'{data.use}' is not there: no '{archive.holds}' in '{root.absolute()}' (data.root). {hint}"
        f"{fetch[0].upper() if not hint else fetch[0]}{fetch[1:]}, or put it there"
    )
