"""Folders of pictures: which files belong to which split and class. No picture is opened.

Layouts, looked for in this order:

- `root/train/<class>/...`, and the held-out pictures in `root/test/<class>/...` or, if that has no classes,
  in `val`, `valid` or `validation`. Without any of these a tenth of each class of `train` is held out.
- `root/<class>/...`: a tenth of each class is held out. The class is the first folder below the root.
- Pictures directly in `root/train` or `root`: they have no labels; a tenth is held out.

Where folders say no labels, all pictures in and below `root/train` or `root` are of one split, and those of `test` (or
`val` ...) of the other.

A tenth is rounded to the nearest, but at least one picture of a class that has two; which ones depends on the
names of the files alone. Files come in the order of their names; names that begin with a dot are passed over.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from ..errors import RunError
from .decode import Form
from .files import Files, Part, classes_in, files_of, split
from .order import TENTH, share_of

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jfif")
ARRAY = ".npy"  # counts where the data says which channels or type its pictures have
HELD_OUT_FOLDERS = ("test", "val", "valid", "validation")

Suffixes = tuple[str, ...]
Names = dict[str, list[str]]  # by class ("" where there are none) the files, relative to the class's folder


def suffixes_for(form: Form) -> Suffixes:
    """How the names of pictures end; those of arrays, where the data says what they are."""
    return SUFFIXES if form.converts else (*SUFFIXES, ARRAY)


@dataclass(frozen=True)
class Folder:
    """A root with its layout. labels: whether its folders are classes. own: whether it may have a held-out split.

    suffixes: of the names of pictures.
    """

    root: Path
    labels: bool = True
    own: bool = True
    suffixes: Suffixes = SUFFIXES

    @property
    def train(self) -> Path:
        return self.root / "train" if (self.root / "train").is_dir() else self.root

    @cached_property
    def test(self) -> Path | None:
        """The folder of its held-out pictures, None where it has none."""
        if not self.own or self.train == self.root:
            return None
        has = _has_classes if self.labels else _has_pictures
        return next((self.root / name for name in HELD_OUT_FOLDERS if has(self.root / name, self.suffixes)), None)

    @property
    def has_pictures(self) -> bool:
        """Whether there are any below the root."""
        return _has_pictures(self.root, self.suffixes)

    def part(self, folder: Path) -> Part:
        """The pictures in a folder."""
        names = _names(folder, self.suffixes) if self.labels else _all_names(folder, self.suffixes)
        return Part(
            [os.path.join(folder, name, file) for name, files in names.items() for file in files],
            [file for files in names.values() for file in files],
            [name for name, files in names.items() for _ in files],
        )

    def fewer_than(self, n: int, share: Fraction) -> Iterator[int]:
        """The numbers of its training pictures, class by class, each counted no further than it takes to know n."""
        most = int((n + 2) / (1 - share)) + 2
        for files in self._listed(self.train):
            seen = sum(1 for _ in itertools.islice(files, most))
            yield seen - (0 if self.test else share_of(seen, share))

    def _listed(self, folder: Path) -> Iterator[Iterator[str]]:
        """What `part` holds, class by class, listed no further than it is asked for."""
        if not self.labels:
            yield _pictures(folder, self.suffixes)
            return
        yield from (_pictures(folder / name, self.suffixes) for name in _folders(folder))
        if not _has_classes(folder, self.suffixes):
            yield _loose(folder, self.suffixes)


def listing(root: Path) -> tuple[Files, Files, tuple[str, ...]]:
    """Training split, held-out split and the names of the classes (none where there are no class folders)."""
    folder = Folder(root)
    train, test = folder.part(folder.train), folder.test
    refuse_empty(train, root)
    kept, held = split(train, TENTH) if test is None else (train, folder.part(test))
    classes = classes_in(kept)
    return files_of(kept, classes), files_of(held, classes), tuple(classes)


def refuse_empty(part: Part, root: object, suffixes: Suffixes = SUFFIXES) -> None:
    """Raises RunError where there is no picture."""
    if not part.paths:
        raise RunError(
            f"no pictures under '{root}': expected train/<class>/*.jpg and test/<class>/*.jpg, or "
            f"<class>/*.jpg, or pictures without classes. Files that count end in {', '.join(suffixes)}"
        )


def _names(folder: Path, suffixes: Suffixes) -> Names:
    """Pictures by class; an empty folder is no class. Pictures beside class folders are passed over."""
    found = {name: sorted(_pictures(folder / name, suffixes)) for name in _folders(folder)}
    found = {name: files for name, files in found.items() if files}
    loose = [] if found else sorted(_loose(folder, suffixes))
    return found or ({"": loose} if loose else {})


def _all_names(folder: Path, suffixes: Suffixes) -> Names:
    files = sorted(_pictures(folder, suffixes))
    return {"": files} if files else {}


def _has_classes(folder: Path, suffixes: Suffixes) -> bool:
    return any(True for name in _folders(folder) for _ in _pictures(folder / name, suffixes))


def _has_pictures(folder: Path, suffixes: Suffixes) -> bool:
    return any(True for _ in _pictures(folder, suffixes))


def _folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith("."))


def _loose(folder: Path, suffixes: Suffixes) -> Iterator[str]:
    """Pictures that are in no class's folder."""
    return (
        (e.name for e in os.scandir(folder) if e.is_file() and _is_picture(e.name, suffixes))
        if folder.is_dir()
        else iter(())
    )


def _pictures(folder: Path, suffixes: Suffixes) -> Iterator[str]:
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inner = os.path.relpath(here, folder)
        yield from (
            name if inner == os.curdir else os.path.join(inner, name) for name in files if _is_picture(name, suffixes)
        )


def _is_picture(name: str, suffixes: tuple[str, ...]) -> bool:
    return name.lower().endswith(suffixes) and not name.startswith(".")
