"""Whether a data set is where the graph says that it is, by the names of files; no picture is opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..errors import reason_of, suggest
from ..files import home, special
from ..graph import spec
from ..graph.spec.datasets import DATA_SETS, Kind, Layout
from .folder import Folder
from .foretold import foretold
from .left_out import LeftOut
from .lists import ListError, is_list, refuse_missing
from .own.known import why_missing
from .picture_sets import BARRED, PictureSet
from .shards import addresses

FIRST = 1000  # files of a list that are looked for


class Absence(NamedTuple):
    """Why a data set cannot be read: the key of `data:` that is to blame, a message, a hint."""

    key: str
    message: str
    hint: str | None


def absence(data: spec.Data) -> Absence | None:
    """Why a data set is not there; None for one that is, is embedded, or will be downloaded."""
    look = LOOKS.get(DATA_SETS[data.use].kind)
    return None if look is None else look(data)


def _root(data: spec.Data) -> Path:
    return home(data.one_root).absolute()


def _is_file(root: Path) -> Absence | None:
    hint = "root: is the folder that holds the data set"
    return Absence("root", f"'{root}' is a file", hint) if os.path.isfile(root) else None


def _no_archive(data: spec.Data) -> Absence | None:
    root, archive = _root(data), DATA_SETS[data.use].archive
    assert archive is not None
    holds = archive.holds
    if (found := _is_file(root)) or data.download or os.path.exists(root / holds):
        return found
    hint = f"put '{holds}' there, or fetch it with download: true (about {archive.megabytes:,} MB)"
    if not os.path.isdir(root):
        return Absence("root", f"there is no folder '{root}'", hint)
    if root.name == Path(holds).parts[0]:
        hint = f"root: is the folder that holds it: {root.parent}"
    return Absence("root", f"'{data.use}' is not there: no '{holds}' in '{root}'", hint)


def _no_pictures(data: spec.Data) -> Absence | None:
    found, layout = PictureSet.of(data), DATA_SETS[data.use].layout
    assert layout is not None
    for root in data.all_roots:
        here = home(root).absolute()
        if (absent := _no_folder(here, layout, found.suffixes, listed=data.files is not None)) is not None:
            return absent
    for key, path in (("files", data.files), ("test", data.test)):
        if path is not None and (why := _no_list(found, key, path)) is not None:
            return Absence(key, why, None)
    return _barred(data) or _held_out_twice(data, found) or _held_out_badly(data, found)


def _barred(data: spec.Data) -> Absence | None:
    """A folder that cannot be listed."""
    told = foretold(data) if data.on_bad_image == "stop" else None
    return None if told is None or told.barred is None else Absence("root", told.barred, BARRED)


def _no_folder(root: Path, layout: Layout, suffixes: tuple[str, ...], *, listed: bool) -> Absence | None:
    if (found := _is_file(root)) is not None:
        return found
    hint = f"root: is a folder with {layout.full}"
    if not os.path.isdir(root):
        return Absence("root", _nothing_at(root), hint)
    folder = Folder(root, labels=False, suffixes=suffixes)
    if layout.called and folder.train == root:
        return Absence("root", f"'{root}' is not laid out as {layout.called}: it has no folder 'train'", hint)
    train = Folder(folder.train, suffixes=suffixes)
    if not listed and not train.has_pictures and not train.is_barred:
        kinds, told = ", ".join(suffixes), LeftOut()
        train.part(train.root, told)
        why = "".join(f"; {note}" for note in told.notes)
        return Absence("root", f"there is no training picture in '{root}'", f"{hint}; their names end in {kinds}{why}")
    return None


def _nothing_at(path: Path, what: str = "folder") -> str:
    """Why there is none."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return f"there is no {what} '{path}'"
    except (OSError, ValueError) as error:
        return f"'{path}' cannot be looked at: {reason_of(error)}"
    kind = special(path)
    return f"'{path}' is {kind}, and no {what}" if kind else f"there is no {what} '{path}'"


def _no_list(found: PictureSet, key: str, path: str) -> str | None:
    """Why a list, or the folder of held-out pictures, cannot be read; of its files the first ones are looked for."""
    if key == "test" and not is_list(path):
        folder = home(path).absolute()
        if not os.path.isdir(folder):
            return _nothing_at(folder, "folder or list")
        there = Folder(folder, suffixes=found.suffixes)
        return None if there.has_pictures or there.is_barred else f"there is no picture in '{folder}'"
    try:
        listed = found.listed if key == "files" else found.tested
        if listed is not None:
            refuse_missing(path, listed, FIRST)
    except ListError as error:
        return str(error)
    return None


def _held_out_twice(data: spec.Data, found: PictureSet) -> Absence | None:
    """A share that is asked for, where there is a split that is held out as it is."""
    if data.held_out is None:
        return None
    if data.test is not None:
        return Absence(
            "held_out", "what is held out is said twice: by 'test', and by 'held_out'", "leave one of them out"
        )
    there = next((folder.test for folder in found.folders if folder.test is not None), None)
    if there is not None and data.files is None:
        hint = "leave held_out: out; none passes over the folder"
        return Absence("held_out", f"the held-out pictures are those in '{there}'", hint)
    return None


def _held_out_badly(data: spec.Data, found: PictureSet) -> Absence | None:
    """Held-out pictures that leave none to train on, or are of a class that is not trained on."""
    if found.holds_out_all:
        if data.test is None:
            where = ", ".join(f"'{folder.test}'" for folder in found.folders)
            hint = "without such a folder a tenth of each class is held out"
            return Absence("root", f"all pictures are held out: {where} leads to those to train on", hint)
        hint = "test: is a folder or a list of other pictures; without it a tenth of each class is held out"
        return Absence("test", f"all pictures are held out: '{data.test}' has all that there are to train on", hint)
    stray = found.stray()
    if stray is None:
        return None
    name, where, known = stray
    key = "test" if data.test is not None else "files" if data.files is not None else "root"
    near = suggest(name, known, "these have some:").text if known else "the training pictures have no classes"
    hint = f"the held-out split may only hold the training split's classes; {near}"
    return Absence(key, f"the class {name!r} of '{where}' has no training pictures", hint)


def _no_shards(data: spec.Data) -> Absence | None:
    """At an address that must be asked for its files, only whether it can be asked."""
    hint = "root: is a folder of .tar files, or their pattern, such as /data/train-{000000..000146}.tar"
    named = {"root": data.one_root, **({"test": data.test} if data.test is not None else {})}
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
        addresses.split(data.one_root, data.test)
    except addresses.NoShardsError as error:
        return Absence(error.key, error.reason, hint.replace("root:", f"{error.key}:"))
    return None


def _no_dataset(data: spec.Data) -> Absence | None:
    why = why_missing(data)
    return None if why is None else Absence("use", why, None)


LOOKS: dict[Kind, Callable[[spec.Data], Absence | None]] = {
    "archive": _no_archive,
    "pictures": _no_pictures,
    "shards": _no_shards,
    "dataset": _no_dataset,
}
