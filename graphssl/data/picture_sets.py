"""Sets of picture files: of folders, one or several, or of a list; with the split that they hold out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ..errors import RunError
from ..graph import spec
from ..graph.spec.datasets import DATA_SETS
from .files import Files, Part, classes_in, files_of, joined, split
from .folder import SUFFIXES, Folder, refuse_empty, suffixes_for
from .lists import Listed, is_list, read_list, refuse_missing
from .order import share_held_out
from .own.known import form_of

__all__ = ["PictureSet", "open_pictures"]

NOTHING = Part([], [], [])


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
        return cls(data.roots, data.files, data.test, data.labels == "folders", share, own, suffixes)

    @property
    def folders(self) -> list[Folder]:
        return [Folder(Path(root).expanduser(), self.labels, self.own, self.suffixes) for root in self.roots]

    @property
    def listed(self) -> Listed | None:
        """What the list says, None without one."""
        return None if self.files is None else read_list(self.files, self._base, labels=self.labels)

    @property
    def tested(self) -> Listed | None:
        """What the list of held-out pictures says, None without one."""
        return read_list(self.test, self._base, labels=self.labels) if self.test and is_list(self.test) else None

    @property
    def _base(self) -> str | None:
        """What the paths of a list are relative to."""
        return self.roots[0] if self.files is not None and self.roots else None

    def parts(self) -> tuple[Part, Part]:
        """The training pictures, and those that are held out."""
        listed = self.listed
        if listed is not None:
            train, held = listed.train, listed.test if self.own else NOTHING
            kept, out = split(train, self.share) if not held.paths and self.own else (train, held)
        else:
            folders = self.folders
            found = [self._trained(folder) for folder in folders]
            tests = (folder.part(folder.test) for folder in folders if folder.test is not None)
            kept, out = joined(train for train, _ in found), joined([*(left for _, left in found), *tests])
        return (kept, out) if self.test is None else _apart(kept, self._tested(self.test))

    def _trained(self, folder: Folder) -> tuple[Part, Part]:
        """The training pictures of a folder, and those of them that are held out."""
        train = folder.part(folder.train)
        return split(train, self.share) if self.own and folder.test is None else (train, NOTHING)

    def _tested(self, test: str) -> Part:
        listed = self.tested
        if listed is not None:
            return joined([listed.train, listed.test])
        folder = Folder(Path(test).expanduser(), self.labels, suffixes=self.suffixes)
        return folder.part(folder.root)

    def count(self) -> tuple[int | None, int | None]:
        """Training samples and classes; None where there is no folder, picture or class."""
        whole = self.files is not None or self.test is not None
        train = self.parts()[0] if whole else joined(self._trained(folder)[0] for folder in self.folders)
        return len(train.paths) or None, len(classes_in(train)) or None

    def fewer_than(self, n: int) -> int | None:
        """The number of training samples where it is below n; None where it is not, or where there is none.

        Stops as soon as it knows: the files of a large set take minutes to list.
        """
        found = 0
        for seen in self._counted(n):
            found += seen
            if found >= n:
                return None
        return found or None

    def _counted(self, n: int) -> Iterator[int]:
        if self.files is not None or self.test is not None:
            yield len(self.parts()[0].paths)
            return
        for folder in self.folders:
            yield from folder.fewer_than(n, self.share if self.own else Fraction(0))


def _apart(train: Part, test: Part) -> tuple[Part, Part]:
    """What is held out is not trained on, where it lies among the training pictures."""
    held = set(map(os.path.abspath, test.paths))
    return train.chosen(i for i, path in enumerate(train.paths) if os.path.abspath(path) not in held), test


def open_pictures(data: spec.Data, _progress: object = None) -> tuple[Files, Files, tuple[str, ...]]:
    """Training split, held-out split and the names of the classes. Raises RunError where they are not there."""
    found, layout = PictureSet.of(data), DATA_SETS[data.use].layout
    assert layout is not None
    for folder in found.folders:
        if not folder.root.is_dir():
            raise RunError(
                f"'{data.use}' is not there: no folder '{folder.root.absolute()}' (data.root). Put {layout.short} in it"
            )
        if layout.called and not folder.test:
            raise RunError(
                f"'{folder.root.absolute()}' (data.root) is not laid out as {layout.called}: expected {layout.full}, "
                "the validation pictures sorted into class folders too. `use: image_folder` takes any folder"
            )
    listed = found.listed
    if listed is not None and data.on_bad_image == "stop":
        refuse_missing(data.files or "", listed)
    train, test = found.parts()
    refuse_empty(train, ", ".join(data.roots), found.suffixes)
    if data.test is not None and not test.paths:
        raise RunError(f"'{data.test}' (data.test) holds no picture")
    classes = classes_in(train, counted=listed is not None)
    return files_of(train, classes), files_of(test, classes), tuple(classes)
