"""The named sets that torchvision reads and downloads, as uint8 arrays.

SVHN without its `extra` part. STL-10's training split is its 5,000 labelled and then its 100,000 unlabelled
pictures, label -1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import RunError
from ..files import home
from ..graph import spec
from ..graph.spec.datasets import DATA_SETS, Archive
from .batch import Arrays


def load(data: spec.Data) -> tuple[tuple[Arrays, Arrays], tuple[str, ...]]:
    """Training and held-out split, and the classes. Raises RunError if it is not there."""
    archive = DATA_SETS[data.use].archive
    assert archive is not None
    root = home(data.one_root)
    train, classes = _read(data, archive, root, archive.train)
    test, _ = _read(data, archive, root, archive.test)
    return (train, test), classes


def _read(data: spec.Data, archive: Archive, root: Path, split: Mapping[str, Any]) -> tuple[Arrays, tuple[str, ...]]:
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
