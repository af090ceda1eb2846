"""Sets of picture files: of folders, one or several, or of a list; with the split that they hold out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from ..errors import RunError
from ..files import home
from ..graph import spec
from ..graph.spec.datasets import DATA_SETS
from .files import NOTHING, Files, Part, classes_in, files_of, joined, split
from .folder import SUFFIXES, Folder, refuse_empty, suffixes_for
from .left_out import LeftOut, apart
from .lists import Listed, is_list, read_list, refuse_missing
from .order import share_held_out
from .own.known import form_of

__all__ = ["BARRED", "PictureSet", "open_pictures"]

BARRED = "Its pictures would be left out: mend it, or pass over such folders with `data.on_bad_image: skip`"


class Parts(NamedTuple):
    """given: how many of the held-out pictures, the first ones, are there for classifiers to learn from."""

    train: Part
    test: Part
    given: int


@dataclass(frozen=True)
class PictureSet:
    """Where pictures are, as `data:` says. test: a folder or a list of held-out ones. share: held out without such."""

    roots: tuple[str, ...]
    files: str | None = None
    test: str | None = None
    labels: bool = True
    share: Fraction = Fraction(1, 10)
    own: bool = True
    suffixes: tuple[str, ...] = SUFFIXES

    @classmethod
    def of(cls, data: spec.Data) -> PictureSet:
        share = share_held_out(data.held_out)
        own = data.test is None and share > 0
        suffixes = suffixes_for(form_of(data))
        return cls(data.all_roots, data.files, data.test, data.labels == "folders", share, own, suffixes)

    @property
    def folders(self) -> list[Folder]:
        return [Folder(home(root), self.labels, self.own, self.suffixes) for root in self.roots]

    @property
    def listed(self) -> Listed | None:
        """What the list says, None without one."""
        return None if self.files is None else read_list(self.files, self._base, labels=self.labels)

    @property
    def tested(self) -> Listed | None:
        """What the list of held-out pictures says, None without one."""
        if self.test is None or not is_list(self.test):
            return None
        return read_list(self.test, self._base, labels=self.labels, held_out=True)

    @property
    def _base(self) -> str | None:
        """What the paths of a list are relative to."""
        return self.roots[0] if self.files is not None and self.roots else None

    def parts(self, told: LeftOut | None = None) -> Parts:
        """The training pictures, and those that are held out: no file is in both, and none is there twice.

        told: takes what is left out.
        """
        told = told or LeftOut()
        listed = self.listed
        if listed is not None:
            told.add("twice", listed.again)
            train, held = listed.train, listed.test if self.own else NOTHING
            kept, out = split(train, self.share) if not held.paths and self.own else (train, held)
        else:
            kept, out = self._of_folders(told)
        tested = out if self.test is None else self._tested(self.test, told)
        if has_one_name_for_all(kept.classes, tested.classes):
            told.add("one", kept.classes[:1])
            kept = kept._replace(classes=[""] * len(kept.paths))
        given = 0
        if self.test is not None and not any(kept.classes):
            tested, given = self._parted(self.test, tested)
        return Parts(apart(kept, tested, told), tested, given)

    def _of_folders(self, told: LeftOut) -> tuple[Part, Part]:
        kept, out, tests = [], [], []
        trained, tested = set[str](), set[str]()
        for folder in self.folders:
            folder.beside(told)
            train = told.once(folder.part(folder.train, told), trained)
            some, left = split(train, self.share) if self.own and folder.test is None else (train, NOTHING)
            kept.append(some)
            out.append(left)
            if folder.test is not None:
                tests.append(told.once(folder.part(folder.test, told), tested))
        return joined(kept), told.once(joined([*out, *tests]), set())

    def _tested(self, test: str, told: LeftOut) -> Part:
        listed = self.tested
        if listed is not None:
            told.add("twice", listed.again)
            return joined([listed.train, listed.test])
        folder = Folder(home(test), self.labels, suffixes=self.suffixes)
        return folder.part(folder.root, told)

    def _parted(self, test: str, tested: Part) -> tuple[Part, int]:
        """Held-out pictures that are a set with a training split of its own: these first, and how many they are."""
        if (listed := self.tested) is not None:
            return (tested, len(listed.train.paths)) if listed.test.paths else (tested, 0)
        folder = Folder(Path(test).expanduser(), self.labels, suffixes=self.suffixes)
        if folder.test is None:
            return tested, 0
        train = folder.part(folder.train)
        seen = set(train.real)
        held = folder.part(folder.test)
        return joined([train, held.chosen(i for i, real in enumerate(held.real) if real not in seen)]), len(train.paths)

    @property
    def unlabelled(self) -> bool:
        """Whether it is known that no training picture has a label."""
        if not self.labels:
            return True
        known = self._known()
        if len(known) > 1:
            return False
        train = self.parts().train
        return bool(train.paths) and not any(train.classes)

    def _known(self) -> set[str]:
        """The classes of training pictures, as folders or the list name them."""
        if (listed := self.listed) is not None:
            return set(listed.train.classes) - {""}
        return {name for folder in self.folders for name in folder.class_names(folder.train)}

    def stray(self) -> tuple[str, str, list[str]] | None:
        """A class of the held-out split that has no training pictures, where it is, and those that have some."""
        if not self.labels:
            return None
        listed, own, known = self.listed, list[tuple[str, Iterable[str]]](), self._known()
        if len(known) < 2 and self.unlabelled:
            return None
        if listed is not None:
            own = [(str(self.files), listed.test.classes)] if self.own else []
        else:
            for folder in self.folders:
                if folder.test is not None:
                    own.append((str(folder.test), folder.class_names(folder.test)))
        held: Iterator[tuple[str, str]] = ((name, where) for where, names in [*own, *self._held()] for name in names)
        found = next(((name, where) for name, where in held if name and name not in known), None)
        return None if found is None else (*found, sorted(known))

    def _held(self) -> list[tuple[str, Iterable[str]]]:
        """The classes of what `test` names."""
        if self.test is None:
            return []
        if (tested := self.tested) is not None:
            return [(self.test, [*tested.train.classes, *tested.test.classes])]
        folder = Folder(home(self.test), suffixes=self.suffixes)
        return [(self.test, folder.class_names(folder.root))]

    @property
    def holds_out_all(self) -> bool:
        """Whether what is held out surely leaves nothing to train on; folders are not listed for it."""
        if self.files is not None:
            return self.test is not None and not self.parts().train.paths
        if self.test is not None and is_list(self.test):
            return False
        test = None if self.test is None else os.path.expanduser(self.test)
        pairs = [(test or folder.test, folder.train) for folder in self.folders]
        return all(held is not None and _is_in(train, held) for held, train in pairs)

    def count(self) -> tuple[int | None, int | None]:
        """Training samples and classes; None where there is no folder, picture or class."""
        train = self.parts().train
        return len(train.paths) or None, len(classes_in(train)) or None

    def fewer_than(self, n: int) -> int | None:
        """The number of training samples where it is below n; None where it is not, or where there is none.

        Stops as soon as it knows: the files of a large set take minutes to list.
        """
        found = 0
        for counted in () if self.files is not None or self.test is not None else self._counted(n):
            found += counted
            if found >= n:
                return None
        found = len(self.parts().train.paths)  # without those that are held out elsewhere
        return found if 0 < found < n else None

    def _counted(self, n: int) -> Iterator[int]:
        seen = set[str]()
        for folder in self.folders:
            yield from folder.fewer_than(n, self.share if self.own else Fraction(0), seen)


def has_one_name_for_all(train: Iterable[str], test: Iterable[str]) -> bool:
    """Whether all training pictures are of one class, which no held-out one is: no class, but a folder for all of them,
    which torchvision's ImageFolder asks for.
    """
    one, held = set(train), set(test) - {""}
    return len(one) == 1 and "" not in one and len(held) > 1 and one.isdisjoint(held)


def _is_in(folder: Path, other: str | Path) -> bool:
    inner, outer = os.path.realpath(folder), os.path.realpath(other)
    return os.path.commonpath([inner, outer]) == outer


def open_pictures(data: spec.Data, _progress: object = None) -> tuple[Files, Files, tuple[str, ...]]:
    """Training split, held-out split and the names of the classes. Raises RunError where they are not there."""
    found, layout = PictureSet.of(data), DATA_SETS[data.use].layout
    assert layout is not None
    for folder in found.folders:
        if not os.path.isdir(folder.root):
            raise RunError(
                f"'{data.use}' is not there: no folder '{folder.root.absolute()}' (data.root). "
                f"Put {layout.short} in it, or say where the pictures are: --set data.root=FOLDER"
            )
        if layout.called and not folder.test:
            raise RunError(
                f"'{folder.root.absolute()}' (data.root) is not laid out as {layout.called}: expected {layout.full}, "
                "the validation pictures sorted into class folders too. `use: image_folder` takes any folder"
            )
    listed = found.listed
    if listed is not None and data.on_bad_image == "stop":
        refuse_missing(data.files or "", listed)
    told = LeftOut()
    train, test, given = found.parts(told)
    if told.barred and data.on_bad_image == "stop":
        raise RunError(f"{told.barred}. {BARRED}")
    if test.paths and not train.paths:
        where = ", as data.test says" if data.test is not None else ": those to train on lie among them"
        raise RunError(f"no picture is left to train on: all {len(test.paths):,} are held out{where}")
    refuse_empty(train, ", ".join(data.all_roots), found.suffixes, told.notes)
    if data.test is not None and not test.paths:
        raise RunError(f"'{data.test}' (data.test) holds no picture")
    classes = classes_in(train, counted=listed is not None)
    if not classes:
        classes = classes_in(test, counted=(listed if data.test is None else found.tested) is not None)
    return files_of(train, classes, told.notes), files_of(test, classes, given=given), tuple(classes)
