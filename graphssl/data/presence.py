"""Whether a data set is where the graph says that it is, by the names of files; no picture is opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..graph import spec
from ..graph.spec.datasets import DATA_SETS, Kind
from .folder import SUFFIXES
from .own.known import why_missing
from .shards import addresses


class Absence(NamedTuple):
    """Why a data set cannot be read: the key of `data:` that is to blame, a message, a hint."""

    key: str
    message: str
    hint: str | None


def absence(data: spec.Data) -> Absence | None:
    """Why a data set is not there; None for one that is, is embedded, or will be downloaded."""
    look = LOOKS.get(DATA_SETS[data.use].kind)
    return None if look is None or (data.root is None and look is not _no_dataset) else look(data)


def _root(data: spec.Data) -> Path:
    return Path(data.root or ".").expanduser().absolute()


def _is_file(root: Path) -> Absence | None:
    hint = "root: is the folder that holds the data set"
    return Absence("root", f"'{root}' is a file", hint) if os.path.isfile(root) else None


def _no_archive(data: spec.Data) -> Absence | None:
    root, archive = _root(data), DATA_SETS[data.use].archive
    assert archive is not None
    holds = archive.holds
    if (found := _is_file(root)) or data.download or (root / holds).exists():
        return found
    hint = f"put '{holds}' there, or fetch it with download: true (about {archive.megabytes:,} MB)"
    if not os.path.isdir(root):
        return Absence("root", f"there is no folder '{root}'", hint)
    if root.name == Path(holds).parts[0]:
        hint = f"root: is the folder that holds it: {root.parent}"
    return Absence("root", f"'{data.use}' is not there: no '{holds}' in '{root}'", hint)


def _no_pictures(data: spec.Data) -> Absence | None:
    root, layout = _root(data), DATA_SETS[data.use].layout
    assert layout is not None
    if (found := _is_file(root)) is not None:
        return found
    hint = f"root: is a folder with {layout.full}"
    if not os.path.isdir(root):
        return Absence("root", f"there is no folder '{root}'", hint)
    train = root / "train"
    if layout.called and not os.path.isdir(train):
        return Absence("root", f"'{root}' is not laid out as {layout.called}: it has no folder 'train'", hint)
    if not _holds_a_picture(train if os.path.isdir(train) else root):
        kinds = ", ".join(SUFFIXES)
        return Absence("root", f"there is no training picture in '{root}'", f"{hint}; their names end in {kinds}")
    return None


def _no_shards(data: spec.Data) -> Absence | None:
    """At an address that must be asked for its files, only whether it can be asked."""
    hint = "root: is a folder of .tar files, or their pattern, such as /data/train-{000000..000146}.tar"
    named = {"root": data.root or "", **({"test": data.test} if data.test is not None else {})}
    for key, pattern in named.items():
        if (reason := addresses.unreadable(pattern)) is not None:
            return Absence(key, reason, None)
    if any(addresses.is_remote(pattern) and addresses.is_looked_up(pattern) for pattern in named.values()):
        return None
    for key, pattern in named.items():
        here = [shard for shard in addresses.listed(pattern) if not addresses.is_remote(shard)]
        missing = [shard for shard in here if not os.path.isfile(shard)]
        more = f", nor {len(missing) - 1:,} more" if len(missing) > 1 else ""
        if missing:
            return Absence(key, f"there is no shard '{missing[0]}'{more}", hint.replace("root:", f"{key}:"))
    try:
        addresses.split(data.root or "", data.test)
    except addresses.NoShardsError as error:
        return Absence(error.key, error.reason, hint.replace("root:", f"{error.key}:"))
    return None


def _no_dataset(data: spec.Data) -> Absence | None:
    why = why_missing(data)
    return None if why is None else Absence("use", why, None)


def _holds_a_picture(folder: Path) -> bool:
    walk = os.walk(folder, followlinks=True)
    return any(name.lower().endswith(SUFFIXES) and not name.startswith(".") for *_, files in walk for name in files)


LOOKS: dict[Kind, Callable[[spec.Data], Absence | None]] = {
    "archive": _no_archive,
    "pictures": _no_pictures,
    "shards": _no_shards,
    "dataset": _no_dataset,
}
