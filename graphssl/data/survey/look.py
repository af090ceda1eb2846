"""Looks at pictures, in worker processes: each is decoded as it is, and as the data says, and its values are summed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ...graph import spec
from ...graph.spec.datasets import DATA_SETS
from ...ports import scale_of
from ..batch import Arrays, Pictures
from ..decode import BadImageError, Form, decode
from ..decoding.form import ANY, RGB, TYPES
from ..decoding.upright import orientation_in
from ..open import ARRAYS, FILES, notes_of
from ..own.known import form_of
from ..reader import places_for, quiet, stand
from ..traces import spread_evenly
from ..workers import as_it_is, default_workers, explained

__all__ = ["Kind", "Survey", "survey"]

CHUNK = 16
Progress = Callable[[int, int], None]


class Kind(NamedTuple):
    """What a picture is as it is stored."""

    channels: int
    dtype: str


class Sums(NamedTuple):
    """Of pixels, by channel, where the type's largest value is 1.

    Numbers: tensors would come from the workers by shared memory, which an interrupt breaks with a traceback.
    """

    pixels: int
    values: tuple[float, ...]
    squares: tuple[float, ...]

    @classmethod
    def of(cls, picture: Annotated[Tensor, "c h w"]) -> Sums:
        values = picture.flatten(1).double() / scale_of(picture)
        return cls(values.shape[1], tuple(values.sum(1).tolist()), tuple(values.square().sum(1).tolist()))

    def plus(self, other: Sums) -> Sums:
        values, squares = (
            tuple(a + b for a, b in zip(mine, theirs, strict=True))
            for mine, theirs in ((self.values, other.values), (self.squares, other.squares))
        )
        return Sums(self.pixels + other.pixels, values, squares)

    @property
    def mean(self) -> list[float]:
        return [value / self.pixels for value in self.values]

    @property
    def std(self) -> list[float]:
        moments = zip(self.squares, self.mean, strict=True)
        return [math.sqrt(max(square / self.pixels - mean * mean, 0)) for square, mean in moments]


class Look(NamedTuple):
    """One picture. as_it_is: its sums; as_said: of what it becomes where all are made RGB bytes, None for nothing."""

    label: int
    height: int
    width: int
    orientation: int
    kind: Kind
    as_it_is: Sums
    as_said: Sums | None
    refused: str | None = None  # why it does not become that


Looks = list[Look | tuple[int, str]]  # a bad picture is its position, and why


@dataclass
class Survey:
    """A set of pictures.

    train, held_out: how many there are. classes: pictures to train on by name; none where there are no labels; of a
    Dataset whose samples bring their labels, those that were looked at. looked: how many that are. sizes: height and
    width of each. kinds, orientations: how many of each. unreadable: names, with reasons. sums: by kind; rgb: of all,
    made RGB bytes. refused: pictures that do not become such, with reasons; they are unreadable where all should.
    notes: what is left out.
    """

    data: spec.Data
    train: int
    held_out: int
    classes: dict[str, int]
    looked: int = 0
    sizes: list[tuple[int, int]] = field(default_factory=list)
    kinds: Counter[Kind] = field(default_factory=Counter)
    orientations: Counter[int] = field(default_factory=Counter)
    unreadable: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sums: dict[Kind, Sums] = field(default_factory=dict)
    rgb: Sums | None = None

    @property
    def form(self) -> Form:
        """What pictures should become: as the data says, or RGB bytes where that loses nothing, or as most are."""
        said = form_of(self.data)
        if not said.converts and self.kinds.get(Kind(said.channels, said.dtype)):
            return said
        if not self.kinds or all(kind.dtype == "uint8" and kind.channels in (1, 3) for kind in self.kinds):
            return RGB
        most = self.kinds.most_common(1)[0][0]
        return RGB if most == Kind(3, "uint8") else Form(most.channels, most.dtype, converts=False)

    @property
    def statistics(self) -> tuple[list[float], list[float]] | None:
        """Mean and standard deviation over all pixels that were looked at; None where there are none."""
        form = self.form
        sums = self.rgb if form.converts else self.sums.get(Kind(form.channels, form.dtype))
        return None if sums is None else (sums.mean, sums.std)

    @property
    def bytes(self) -> int:
        """Of the training split, decoded, by the mean of those that were looked at."""
        pixels = sum(h * w for h, w in self.sizes)
        return round(self.form.bytes(pixels) * self.train / len(self.sizes)) if self.sizes else 0

    def add(self, look: Look) -> None:
        """Notes a picture."""
        self.sizes.append((look.height, look.width))
        self.kinds[look.kind] += 1
        self.orientations[look.orientation] += 1
        known = self.sums.get(look.kind)
        self.sums[look.kind] = look.as_it_is if known is None else known.plus(look.as_it_is)
        if look.as_said is not None:
            self.rgb = look.as_said if self.rgb is None else self.rgb.plus(look.as_said)


def survey(data: spec.Data, most: int | None = None, progress: Progress | None = None) -> Survey:
    """Looks at the training split. most: pictures, spread evenly over it; default: all.

    progress: called with how many are done, and of how many. Raises RunError where the set is not there.
    """
    kind = DATA_SETS[data.use].kind
    if kind in ARRAYS:
        (train, test), classes = ARRAYS[kind](data)
        return _of_arrays(data, train, len(test[1]), classes, most)
    pictures, held_out, classes = FILES[kind](data, None)
    found = Survey(data, len(pictures.paths), len(held_out.paths), _counted(pictures.label, classes))
    found.notes = notes_of(pictures)
    positions = _spread(found.train, most)
    found.looked = len(positions)
    chunks = [positions[start : start + CHUNK] for start in range(0, len(positions), CHUNK)]
    workers = min(default_workers() if data.workers is None else data.workers, len(chunks))
    looker, labels, done = _Looker(pictures, workers), Counter[int](), 0
    loader: DataLoader[Looks] = DataLoader(
        looker, batch_sampler=chunks, num_workers=workers, collate_fn=as_it_is, worker_init_fn=quiet,
        generator=torch.Generator(),
    )  # fmt: skip
    for looks in explained(loader, looker):
        for position, look in zip(positions[done:], looks, strict=False):
            if isinstance(look, Look):
                found.add(look)
                labels[look.label] += 1
                if look.refused is not None:
                    found.refused[pictures.paths[position]] = look.refused
            else:
                found.unreadable[pictures.paths[look[0]]] = look[1]
        done += len(looks)
        if progress is not None:
            progress(done, found.looked)
    pictures.close()
    held_out.close()
    if found.form.converts:
        found.unreadable |= found.refused
    if not found.classes and classes:  # labels that come with the samples: of those that were looked at
        found.classes = {name: labels[number] for number, name in enumerate(classes)}
    return found


def _of_arrays(data: spec.Data, train: Arrays, held_out: int, classes: Sequence[str], most: int | None) -> Survey:
    image, label = train
    found = Survey(data, len(label), held_out, _counted(label, tuple(classes)))
    positions = _spread(len(label), most)
    found.looked = len(positions)
    for position in positions:
        sums = Sums.of(image[position])
        kind = Kind(image.shape[1], str(image.dtype).removeprefix("torch."))
        found.add(Look(int(label[position]), image.shape[2], image.shape[3], 1, kind, sums, sums))
    return found


def _counted(label: Tensor, classes: Sequence[str]) -> dict[str, int]:
    """Pictures by class; nothing where labels come with the samples."""
    known = label[label >= 0]
    if not len(known):
        return {}
    counts: list[int] = torch.bincount(known, minlength=len(classes)).tolist()
    return dict(zip(classes, counts, strict=False))


def _spread(n: int, most: int | None) -> list[int]:
    """Positions, ascending, evenly over the split."""
    return spread_evenly(n, n if most is None else most)


class _Looker(Dataset[Looks]):
    """Runs in the worker processes: positions in, looks out, or for a bad picture why it is one."""

    def __init__(self, files: Pictures, workers: int) -> None:
        self.files = files
        self.standing = places_for(workers)

    def __getitems__(self, positions: list[int]) -> Looks:
        return list(self._looks(positions))

    def _looks(self, positions: list[int]) -> Iterator[Look | tuple[int, str]]:
        for position in positions:
            stand(self.standing, position)
            try:
                yield self._look(position)
            except BadImageError as error:
                yield position, str(error)

    def _look(self, position: int) -> Look:
        stored, label = self.files.sample(position)
        picture = decode(stored, ANY) if isinstance(stored, bytes) else stored
        kind = Kind(len(picture), str(picture.dtype).removeprefix("torch."))
        if kind.dtype not in TYPES:
            raise BadImageError(f"its values are {kind.dtype}; those of pictures are {', '.join(TYPES)}")
        orientation = orientation_in(stored) if isinstance(stored, bytes) else 1
        sums = Sums.of(picture)
        said, why = (sums, None) if kind == (3, "uint8") else _made_rgb(stored)
        return Look(label, picture.shape[1], picture.shape[2], orientation, kind, sums, said, why)


def _made_rgb(stored: bytes | Tensor) -> tuple[Sums | None, str | None]:
    """Of what a run makes of a file, or why it makes nothing of it."""
    try:
        return Sums.of(decode(stored, RGB)) if isinstance(stored, bytes) else None, None
    except BadImageError as error:
        return None, str(error)
