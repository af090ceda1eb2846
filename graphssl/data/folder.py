"""Folders of pictures: which files belong to which split and class. No picture is opened.

Layouts, looked for in this order:

- `root/train/<class>/...`, and the held-out pictures in `root/test/<class>/...` or, if that has no classes,
  in `val`, `valid` or `validation`. Without any of these a tenth of each class of `train` is held out.
- `root/<class>/...`: a tenth of each class is held out.
- Pictures directly in `root/train` or `root`: they have no labels; a tenth is held out.

A tenth is rounded to the nearest, but at least one picture of a class that has two; which ones depends on the
names of the files alone. Files come in the order of their names; names that begin with a dot are passed over.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import RunError, suggest
from ..graph import spec
from ..graph.spec.datasets import DATA_SETS
from .batch import Sample
from .decode import read
from .order import held_out, permutation, tenth

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jfif")
HELD_OUT_FOLDERS = ("test", "val", "valid", "validation")
UNLABELLED = -1


class Paths:
    """File names in one block of bytes: millions of strings would be copied into each worker process."""

    def __init__(self, names: Sequence[str]) -> None:
        encoded = [os.fsencode(name) for name in names]
        ends = torch.tensor([0, *map(len, encoded)], dtype=torch.int64).cumsum(0)
        self._bytes, self._ends = b"".join(encoded), ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[str]:
        return (self[position] for position in range(len(self)))

    def __getitem__(self, position: int) -> str:
        start, end = self._ends[position : position + 2].tolist()
        return os.fsdecode(self._bytes[start:end])


@dataclass(frozen=True)
class Files:
    """The files of one split, and the label of each: int64, `n`.

    fingerprint: of the names, with their classes' and in their order, whatever folder the root is in.
    """

    paths: Paths
    label: Tensor
    fingerprint: str

    def sample(self, position: int) -> Sample:
        """See `Pictures.sample`."""
        return Sample(self.read(position), int(self.label[position]))

    def read(self, position: int) -> bytes:
        """A picture's file."""
        return read(self.paths[position])

    def expect(self, positions: Sequence[int]) -> None:
        """See `Pictures.expect`: a file is there when it is asked for."""

    def order(self, seed: int, epoch: int, kept: Tensor | None = None) -> Tensor:
        """See `Pictures.order`."""
        return permutation(len(self.paths) if kept is None else len(kept), seed, epoch)

    def close(self) -> None:
        """See `Pictures.close`: nothing stays open."""


Names = dict[str, list[str]]  # by class ("" where there are none) the files, relative to the class's folder


def count(root: str) -> tuple[int | None, int | None]:
    """Training samples and classes of a folder; None where there is no folder, picture or class."""
    train, test = _layout(Path(root).expanduser())
    names = _names(train)
    samples = sum(len(files) - (0 if test else tenth(len(files))) for files in names.values())
    return samples or None, (len(names) if "" not in names else 0) or None


def fewer_than(root: str, n: int) -> int | None:
    """The number of training samples where it is below n; None where it is not, or where there is none.

    Stops as soon as it knows: the files of a large set take minutes to list.
    """
    train, test = _layout(Path(root).expanduser())
    found = 0
    for files in _listed(train):
        seen = sum(1 for _ in itertools.islice(files, 2 * n + 2))  # even with a tenth held out these are n
        found += seen - (0 if test else tenth(seen))
        if found >= n:
            return None
    return found or None


def open_folder(data: spec.Data, _progress: object = None) -> tuple[Files, Files, tuple[str, ...]]:
    """`listing` of a set of pictures, with the RunErrors that say how to get it."""
    root, layout = Path(data.root or ".").expanduser(), DATA_SETS[data.use].layout
    assert layout is not None
    if not root.is_dir():
        raise RunError(
            f"'{data.use}' is not there: no folder '{root.absolute()}' (data.root). Put {layout.short} in it"
        )
    if layout.called and not _layout(root)[1]:
        raise RunError(
            f"'{root.absolute()}' (data.root) is not laid out as {layout.called}: expected {layout.full}, the "
            "validation pictures sorted into class folders too. `use: image_folder` takes any folder"
        )
    return listing(root)


def listing(root: Path) -> tuple[Files, Files, tuple[str, ...]]:
    """Training split, held-out split and the names of the classes (none where there are no class folders)."""
    train, test = _layout(root)
    names = _names(train)
    if not names:
        raise RunError(
            f"no pictures under '{root}': expected train/<class>/*.jpg and test/<class>/*.jpg, or "
            f"<class>/*.jpg, or pictures without classes. Files that count end in {', '.join(SUFFIXES)}"
        )
    if test:
        return _files(train, names, list(names)), _files(test, _names(test), list(names)), _classes(names)
    kept, held = _split(names)
    return _files(train, kept, list(names)), _files(train, held, list(names)), _classes(names)


def _classes(names: Names) -> tuple[str, ...]:
    return tuple(name for name in names if name)


def _layout(root: Path) -> tuple[Path, Path | None]:
    train = root / "train"
    if not train.is_dir():
        return root, None
    return train, next((root / name for name in HELD_OUT_FOLDERS if _has_classes(root / name)), None)


def _names(folder: Path) -> Names:
    """Pictures by class; an empty folder is no class. Pictures beside class folders are passed over."""
    found = {name: sorted(_pictures(folder / name)) for name in _folders(folder)}
    found = {name: files for name, files in found.items() if files}
    loose = [] if found else sorted(_loose(folder))
    return found or ({"": loose} if loose else {})


def _listed(folder: Path) -> Iterator[Iterator[str]]:
    """What `_names` holds, class by class, listed no further than it is asked for."""
    yield from (_pictures(folder / name) for name in _folders(folder))
    if not _has_classes(folder):
        yield _loose(folder)


def _has_classes(folder: Path) -> bool:
    return any(True for name in _folders(folder) for _ in _pictures(folder / name))


def _folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith("."))


def _loose(folder: Path) -> Iterator[str]:
    """Pictures that are in no class's folder."""
    return (e.name for e in os.scandir(folder) if e.is_file() and _is_picture(e.name)) if folder.is_dir() else iter(())


def _pictures(folder: Path) -> Iterator[str]:
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inner = os.path.relpath(here, folder)
        yield from (name if inner == os.curdir else os.path.join(inner, name) for name in files if _is_picture(name))


def _is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _split(names: Names) -> tuple[Names, Names]:
    kept, held = {}, {}
    for name, files in names.items():
        chosen = held_out(files, tenth(len(files)))
        kept[name] = [file for file in files if file not in chosen]
        held[name] = [file for file in files if file in chosen]
    return kept, held


def _files(folder: Path, names: Names, classes: list[str]) -> Files:
    if strange := [name for name in names if name not in classes]:
        raise RunError(
            f"'{folder / strange[0]}' is a class that has no training pictures: the held-out split may only "
            f"hold the training split's classes; {suggest(strange[0], classes).text or ''}"
        )
    paths = [os.path.join(folder, name, file) for name, files in names.items() for file in files]
    number = {"": UNLABELLED, **{name: label for label, name in enumerate(classes) if name}}
    labels = [number[name] for name, files in names.items() for _ in files]
    return Files(Paths(paths), torch.tensor(labels, dtype=torch.int64), _fingerprint(names))


def _fingerprint(names: Names) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for name, files in names.items():
        digest.update("\0".join([name, *files, "\0"]).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
