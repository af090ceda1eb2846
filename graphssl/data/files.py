"""The files of a split: their names, their classes, and which of them are held out. No picture is opened."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ..errors import RunError, suggest
from .batch import Sample
from .decode import read
from .order import held_out, permutation, share_of
from .traces import sizes_and_times

__all__ = ["NOTHING", "UNLABELLED", "Files", "Part", "Paths", "classes_in", "files_of", "joined", "split"]

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

    fingerprint: of the names, with their classes' and in their order, whatever folder the root is in. notes: what is to
    be said of the whole set. given: of held-out files, how many of the first are there to learn from; see `judged`.
    """

    paths: Paths
    label: Tensor
    fingerprint: str
    notes: tuple[str, ...] = ()
    given: int = 0
    steady: ClassVar[bool] = True

    def sample(self, position: int) -> Sample:
        """See `Pictures.sample`."""
        return Sample(self.read(position), int(self.label[position]))

    def read(self, position: int) -> bytes:
        """A picture's file."""
        return read(self.paths[position])

    def sizes_and_times(self, positions: Sequence[int]) -> Tensor:
        """See `traces`."""
        return sizes_and_times(self.paths[position] for position in positions)

    def expect(self, positions: Sequence[int]) -> None:
        """See `Pictures.expect`: a file is there when it is asked for."""

    def order(self, seed: int, epoch: int, kept: Tensor | None = None) -> Tensor:
        """See `Pictures.order`."""
        return permutation(len(self.paths) if kept is None else len(kept), seed, epoch)

    def close(self) -> None:
        """See `Pictures.close`: nothing stays open."""


class Part(NamedTuple):
    """Files in their order. names: as they stand under their class. classes: of each, "" where there is none.

    real: where each is without links, by which a file is told from another.
    """

    paths: list[str]
    names: list[str]
    classes: list[str]
    real: list[str]

    def chosen(self, positions: Iterable[int]) -> Part:
        places = list(positions)
        return Part(*([column[place] for place in places] for column in self))


NOTHING = Part([], [], [], [])


def joined(parts: Iterable[Part]) -> Part:
    """One part after the other."""
    there = list(parts)
    return Part(*(list(itertools.chain.from_iterable(part[i] for part in there)) for i in range(4)))


def classes_in(part: Part, *, counted: bool = False) -> list[str]:
    """The names of the classes by the alphabet; counted: by their numbers, where all are some."""
    found = sorted({name for name in part.classes if name})
    numbers = counted and all(name.isdecimal() for name in found)
    return sorted(found, key=int) if numbers else found


def split(part: Part, share: Fraction) -> tuple[Part, Part]:
    """What is kept and what is held out: this share of each class, by the names of the files alone."""
    members: dict[str, list[str]] = {}
    for name, label in zip(part.names, part.classes, strict=True):
        members.setdefault(label, []).append(name)
    chosen = {label: held_out(names, share_of(len(names), share)) for label, names in members.items()}
    out = [name in chosen[label] for name, label in zip(part.names, part.classes, strict=True)]
    return part.chosen(i for i, held in enumerate(out) if not held), part.chosen(
        i for i, held in enumerate(out) if held
    )


def files_of(part: Part, classes: Sequence[str], notes: tuple[str, ...] = (), given: int = 0) -> Files:
    """The part with its labels. Raises RunError for a class that is none of `classes`."""
    number = {"": UNLABELLED, **{name: label for label, name in enumerate(classes)}}
    stray = next((i for i, name in enumerate(part.classes) if name not in number), None)
    if stray is not None:
        raise RunError(
            f"'{part.paths[stray]}' is of the class '{part.classes[stray]}', which has no training pictures: the "
            f"held-out split may only hold the training split's classes; {suggest(part.classes[stray], classes)}"
        )
    label = torch.tensor([number[name] for name in part.classes], dtype=torch.int64)
    return Files(Paths(part.paths), label, _fingerprint(part), notes, given)


def _fingerprint(part: Part) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for label, group in itertools.groupby(zip(part.classes, part.names, strict=True), key=lambda pair: pair[0]):
        digest.update("\0".join([label, *(name for _, name in group), "\0"]).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
