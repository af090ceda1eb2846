"""What runs in a worker process: positions in, decoded pictures out, and what to do about bad ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence, Set
from types import TracebackType
from typing import Annotated, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from .batch import Pictures
from .decode import RGB, BadImageError, Form, decode
from .kept import Kept
from .making import Made, Make, Making
from .nvjpeg import is_for_device

Failures = list[tuple[int, str]]  # position, reason

SUBSTITUTES = 64


class Wanted(NamedTuple):
    """A batch to read: its positions, those of one that comes soon, and the seed of its random numbers.

    part: see `Making`. whole: the batch that they are a part of, where they are.
    """

    positions: list[int]
    soon: list[int]
    seed: int
    part: tuple[int, int] = (0, 1)
    whole: Sequence[int] = ()


class Read(NamedTuple):
    """What was read of a batch of b samples, of which m are JPEG files that the device will decode.

    image, cuts: see `Batch`; without what is made of those files. whole: see `Made`. position, label: int64 `b`. seed:
    see `Wanted`. failures: what could not be read. coded: uint8, the files one after the other; lengths, slots: int64
    `m`, their bytes, their places in the batch.
    """

    image: Tensor
    cuts: tuple[tuple[Tensor, ...], ...]
    position: Tensor
    label: Tensor
    seed: int
    failures: Failures
    coded: Tensor
    lengths: Tensor
    slots: Tensor
    whole: list[Tensor]

    def files(self) -> Sequence[Tensor]:
        """The JPEG files that are not decoded."""
        return torch.split(self.coded, self.lengths.tolist())


class _Found(NamedTuple):
    """picture: `c h w`, or a file that the device will decode, `n`, or nothing where all is made of it."""

    position: int
    picture: Tensor
    label: int


class Reader(Dataset[Read]):
    """Reads the pictures at the positions of a batch. It raises nothing for a bad picture, but reports it.

    make: what is made of the pictures. skip: one that cannot be read is left out; without it the reading ends there.
    full: it is replaced, by the next file of the split that can be read and is not in the batch, or if none of
    the next 64 will do, by a picture of the batch: a choice that depends on the batch and the files alone.
    form: what pictures are when they are decoded. coded: JPEG files that a GPU decodes are handed over as they are.
    kept: the pictures, if they are decoded already.
    """

    def __init__(
        self, files: Pictures, make: Make, slots: int, *,
        skip: bool, full: bool, coded: bool = False, kept: Kept | None = None, form: Form = RGB,
    ) -> None:  # fmt: skip
        self.form = form
        self.files, self.make, self.skip, self.full, self.coded, self.kept = files, make, skip, full, coded, kept
        self.standing = places_for(slots)

    def __getitems__(self, wanted: Wanted) -> Read:
        positions, soon, seed, part, whole = wanted
        self.files.expect(positions)
        self.files.expect(soon)
        found: list[_Found] = []
        making = Making(self.make, len(positions), seed, part)
        failures: Failures = []
        taken: set[int] | None = None
        for position in positions:
            one = self._first([position], failures)
            if one is None and not self.skip:
                break
            if one is None and self.full:
                taken = taken or self._taken(whole or positions, part[0] * len(positions))
                one = self._first(self._after(position, taken), failures)
            if one is not None:
                if taken is not None:
                    taken.add(one.position)
                found.append(one._replace(picture=making.take(len(found), one.picture)))
        if self.full and self.skip and found:
            making.repeat(len(found))
            found = [found[i % len(found)] for i in range(len(positions))]
        return self._joined(found, making.made(len(found)), seed, failures)

    def _joined(self, found: Sequence[_Found], made: Made, seed: int, failures: Failures) -> Read:
        position_b = torch.tensor([one.position for one in found], dtype=torch.int64)
        label_b = torch.tensor([one.label for one in found], dtype=torch.int64)
        files = [(slot, one.picture) for slot, one in enumerate(found) if len(one.picture)]
        return Read(
            made.image, made.cuts, position_b, label_b, seed, failures,
            torch.cat([file for _, file in files]) if files else torch.empty(0, dtype=torch.uint8),
            torch.tensor([len(file) for _, file in files], dtype=torch.int64),
            torch.tensor([slot for slot, _ in files], dtype=torch.int64),
            made.whole,
        )  # fmt: skip

    def _taken(self, whole: Sequence[int], before: int) -> set[int]:
        """What may not stand for a bad picture: those of the whole batch, and what stands for the bad ones `before`.

        Those are other processes' and read here only where one of its own is bad, so that all choose as one would.
        """
        taken = set(whole)
        told: Failures = []  # by whose part they are
        for position in whole[:before]:
            if self._first([position], told) is None and (other := self._first(self._after(position, taken), told)):
                taken.add(other.position)
        return taken

    def _after(self, position: int, taken: Set[int]) -> Iterator[int]:
        n = len(self.files.paths)
        following = ((position + k) % n for k in range(1, min(SUBSTITUTES, n - 1) + 1))
        return (p for p in following if p not in taken)

    def _first(self, candidates: Iterable[int], failures: Failures) -> _Found | None:
        """The first of the candidates that can be read."""
        for position in candidates:
            stand(self.standing, position)
            try:
                return self._read(position)
            except BadImageError as error:
                failures.append((position, str(error)))
        return None

    def _read(self, position: int) -> _Found:
        if self.kept is not None:
            return _Found(position, self.kept[position], int(self.files.label[position]))
        picture, label = self.files.sample(position)
        if isinstance(picture, Tensor):
            return _Found(position, picture, label)
        if self.coded and is_for_device(picture, self.form):
            return _Found(position, torch.frombuffer(bytearray(picture), dtype=torch.uint8), label)
        return _Found(position, decode(picture, self.form), label)


def places_for(workers: int) -> Annotated[Tensor, "n 2"]:
    """By worker its process and the position that it stands at, so that a death can be explained. int64, shared."""
    standing: Tensor = torch.full((max(workers, 1), 2), -1).share_memory_()
    return standing


def stand(standing: Annotated[Tensor, "n 2"], position: int) -> None:
    """Notes where this worker stands."""
    worker = get_worker_info()
    slot = standing[worker.id if worker else 0]
    slot[0], slot[1] = os.getpid(), position


def quiet(_worker: int) -> None:
    """For a worker: how a batch is not taken, as the main process has ended, is nobody's affair."""
    say = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not isinstance(error, ConnectionError | EOFError):
            say(kind, error, trace)

    sys.excepthook = hook
