"""Folders of pictures: which files belong to which split and class. No picture is opened.

Layouts, looked for in this order:

- `root/train/<class>/...`, and the held-out pictures in `root/test/<class>/...` or, if that has no classes,
  in `val`, `valid` or `validation`. Without any of these a tenth of each class of `train` is held out.
- `root/<class>/...`: a tenth of each class is held out. The class is the first folder below the root.
- Pictures directly in `root/train` or `root`: they have no labels; a tenth is held out.

Where folders say no labels, all pictures in and below `root/train` or `root` are of one split, and those of `test` (or
`val` ...) of the other.

The names of the splits' folders may be in capitals. A file that is reached twice, by links, counts once, and one that
is held out is not trained on.

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
from .files import NOTHING, Files, Part, classes_in, files_of, split
from .left_out import LeftOut, apart
from .made import holds_made_alone
from .names import ARRAY, SUFFIXES, Suffixes, is_picture, suffixes_for
from .order import TENTH, share_of
from .walk import Found, Walk

__all__ = ["ARRAY", "HELD_OUT_FOLDERS", "SUFFIXES", "Folder", "listing", "refuse_empty", "suffixes_for"]

HELD_OUT_FOLDERS = ("test", "val", "valid", "validation")

Names = dict[str, list[Found]]  # by class ("" where there are none) the files, relative to the class's folder
TRAIN = "train"


@dataclass(frozen=True)
class Folder:
    """A root with its layout. labels: whether its folders are classes. own: whether it may have a held-out split.

    suffixes: of the names of pictures.
    """

    root: Path
    labels: bool = True
    own: bool = True
    suffixes: Suffixes = SUFFIXES

    @cached_property
    def train(self) -> Path:
        """The folder of its training pictures: `train`, which may be written in capitals, or the root."""
        if os.path.isdir(self.root / TRAIN):
            return self.root / TRAIN
        there = _folders(self.root)
        called = next((name for name in there if name.lower() == TRAIN), None)
        # A class may be called so too: then there are other classes beside it, and its pictures are in it.
        others = [name for name in there if name != called and not holds_made_alone(str(self.root / name))]
        apart = any(name.lower() in HELD_OUT_FOLDERS for name in there) or not others
        if called is None or not (apart or _has_classes(self.root / called, self.suffixes)):
            return self.root
        return self.root / called

    @cached_property
    def test(self) -> Path | None:
        """The folder of its held-out pictures, None where it has none."""
        if not self.own or self.train == self.root:
            return None
        there = sorted(_folders(self.root), key=lambda name: (not name.islower(), name))
        called = [name for split in HELD_OUT_FOLDERS for name in there if name.lower() == split]
        return next((self.root / name for name in called if self._may_be(self.root / name)), None)

    def _may_be(self, folder: Path) -> bool:
        """Whether it holds what is held out; one that cannot be listed may."""
        walk = Walk(folder)
        has = _has_classes if self.labels else _has_pictures
        return has(folder, self.suffixes, walk) or bool(walk.barred)

    @property
    def has_pictures(self) -> bool:
        """Whether there are any below the root."""
        return _has_pictures(self.root, self.suffixes)

    @property
    def is_barred(self) -> bool:
        """Whether some folder in it cannot be listed before a picture is found."""
        walk = Walk(self.root)
        return not _has_pictures(self.root, self.suffixes, walk) and bool(walk.barred)

    def part(self, folder: Path, told: LeftOut | None = None) -> Part:
        """The pictures in a folder, each once. told: takes what is left out."""
        walk, told = Walk(folder), told or LeftOut()
        found = self._by_class(walk, folder, told) if self.labels else self._all(walk, folder, told)
        told.walked(walk)
        rows = [(one.path, one.name, name, one.real) for name, files in found.items() for one in files]
        return told.once(Part(*map(list, zip(*rows, strict=True))) if rows else NOTHING, set())

    def beside(self, told: LeftOut) -> None:
        """Notes what lies beside the folder `train` and is of no split."""
        if self.train == self.root:
            return
        splits = {self.train, self.test}
        others = [other for name in _folders(self.root) if (other := self.root / name) not in splits]
        others = [other for other in others if not holds_made_alone(str(other))]
        told.add("beside", (str(other) for other in others if _has_pictures(other, self.suffixes)))
        told.add("loose", (one.path for one in _loose(Walk(self.root), self.root, self.suffixes)))

    def class_names(self, folder: Path) -> Iterator[str]:
        """Those of the folders in a folder that hold a picture."""
        walk = Walk(folder)
        return (n for n in walk.classes(str(folder)) if any(True for _ in _pictures(walk, folder / n, self.suffixes)))

    def _listed(self, walk: Walk) -> Iterator[Iterator[str]]:
        """Where the training pictures are, class by class, listed no further than it is asked for."""
        if not self.labels:
            yield (one.real for one in _pictures(walk, self.train, self.suffixes))
            return
        for name in walk.classes(str(self.train)):
            yield (one.real for one in _pictures(walk, self.train / name, self.suffixes))
        if not _has_classes(self.train, self.suffixes):
            yield (one.real for one in _loose(walk, self.train, self.suffixes))

    def fewer_than(self, n: int, share: Fraction, seen: set[str]) -> Iterator[int]:
        """The numbers of its training pictures, class by class, each counted no further than it takes to know n.

        seen: pictures that count already.
        """
        most = int((n + 2) / (1 - share)) + 2
        for files in self._listed(Walk(self.train)):
            counted = sum(1 for _ in itertools.islice(_new(files, seen), most))
            yield counted - (0 if self.test else share_of(counted, share))

    def _all(self, walk: Walk, folder: Path, told: LeftOut) -> Names:
        files = _sorted(_pictures(walk, folder, self.suffixes, told))
        return {"": files} if files else {}

    def _by_class(self, walk: Walk, folder: Path, told: LeftOut) -> Names:
        """Pictures by class; an empty folder is no class. Pictures beside class folders are left out."""
        names = walk.classes(str(folder))
        each = ((name, _sorted(_pictures(walk, folder / name, self.suffixes, told))) for name in names)
        found = {name: files for name, files in each if files}
        loose = _sorted(_loose(walk, folder, self.suffixes, told))
        if found:
            told.add("loose", (one.path for one in loose))
            return found
        return {"": loose} if loose else {}


def listing(root: Path) -> tuple[Files, Files, tuple[str, ...]]:
    """Training split, held-out split and the names of the classes (none where there are no class folders)."""
    folder, told = Folder(root), LeftOut()
    train, test = folder.part(folder.train, told), folder.test
    refuse_empty(train, root)
    held = None if test is None else folder.part(test, told)
    kept, held = split(train, TENTH) if held is None else (apart(train, held, told), held)
    classes = classes_in(kept)
    return files_of(kept, classes, told.notes), files_of(held, classes), tuple(classes)


def refuse_empty(part: Part, root: object, suffixes: Suffixes = SUFFIXES, notes: tuple[str, ...] = ()) -> None:
    """Raises RunError where there is no picture."""
    if not part.paths:
        raise RunError(
            f"no pictures under '{root}': expected train/<class>/*.jpg and test/<class>/*.jpg, or "
            f"<class>/*.jpg, or pictures without classes. Files that count end in {', '.join(suffixes)}"
            + "".join(f"; {note}" for note in notes)
        )


def _has_classes(folder: Path, suffixes: Suffixes, walk: Walk | None = None) -> bool:
    walk = walk or Walk(folder)
    return any(True for name in walk.classes(str(folder)) for _ in _pictures(walk, folder / name, suffixes))


def _has_pictures(folder: Path, suffixes: Suffixes, walk: Walk | None = None) -> bool:
    return any(True for _ in _pictures(walk or Walk(folder), folder, suffixes))


def _folders(folder: Path) -> list[str]:
    return Walk(folder).folders(str(folder))


def _loose(walk: Walk, folder: Path, suffixes: Suffixes, told: LeftOut | None = None) -> Iterator[Found]:
    """Pictures that are in no class's folder."""
    return (one for one in walk.files(str(folder)) if is_picture(one, suffixes, told))


def _pictures(walk: Walk, folder: Path, suffixes: Suffixes, told: LeftOut | None = None) -> Iterator[Found]:
    return (one for one in walk.below(str(folder)) if is_picture(one, suffixes, told))


def _new(files: Iterator[str], seen: set[str]) -> Iterator[str]:
    """Those that were not seen, which they are then."""
    for real in files:
        if real not in seen:
            seen.add(real)
            yield real


def _sorted(found: Iterator[Found]) -> list[Found]:
    return sorted(found, key=lambda one: one.name)
