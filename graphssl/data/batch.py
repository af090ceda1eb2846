"""What data sets hand over: a batch, what batches are read from, and the pictures that could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from torch import Tensor

from ..ports import Cut
from .order import seed_of


class Batch(NamedTuple):
    """One batch, on the device of the run.

    image: uint8, `b 3 h w`, RGB: the pictures themselves where all are of one size. Else each scaled and cropped to
        the size that is evaluated, or nothing, `b 0`, where nobody takes it.
    index: int64, `b`, the sample's position in its split (training or held out), counted from 0 in the order of
        the files' sorted names, or of the arrays' rows. It is the same in every epoch, order and run, and below the
        number of files, which is that of `DataFacts.samples` for training: a picture that is skipped keeps its place.
    label: int64, `b`, the class, -1 when it is unknown.
    cuts: for each of `Cutting.cuts` what it has made, uint8 `(v b) c y x`.
    """

    image: Tensor
    index: Tensor  # type: ignore[assignment]  # hides tuple.index, which nobody needs
    label: Tensor
    cuts: tuple[tuple[Tensor, ...], ...] = ()


class WholeBatch(Batch):
    """One that every process has whole: the last of an epoch, where it is short."""

    __slots__ = ()


@dataclass(frozen=True)
class Cutting:
    """What training makes of each picture where it is decoded, if pictures have sizes of their own.

    cuts: of each call that makes views. image: whether the whole picture is wanted too, as it is evaluated.
    seed, epoch, first: of the random numbers, with the number of the first batch in its epoch. part: which of how many
    equal parts of each batch is read. whole: int64, `n b`, all of these batches.
    """

    cuts: tuple[tuple[Cut, ...], ...] = ()
    image: bool = True
    seed: int = 0
    epoch: int = 0
    first: int = 0
    part: tuple[int, int] = (0, 1)
    whole: Tensor | None = None

    def seed_of(self, batch: int) -> int:
        """Of a batch by its number, from 0, among those that are read: the same in a run that is resumed."""
        return seed_of(f"cut {self.seed} {self.epoch} {self.first + batch}")


Arrays = tuple[Tensor, Tensor]  # a split that is read whole: image, uint8 `n 3 h w`; label, int64 `n`, -1 for none


class Names(Protocol):
    """Names by position."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int, /) -> str: ...


UNREAD = -2  # a label that is known when its sample is read


class Sample(NamedTuple):
    """picture: a file's bytes, or what is decoded already, `c h w`. label: -1 where it is unknown."""

    picture: bytes | Tensor
    label: int


class Pictures(Protocol):
    """The pictures of one split as they lie in their files, by position."""

    @property
    def paths(self) -> Names:
        """What each is called in messages."""
        ...

    @property
    def label(self) -> Tensor:
        """int64, `n`; -1 where there is none, UNREAD where samples bring theirs with them."""
        ...

    @property
    def fingerprint(self) -> str:
        """Of the names, with their labels' and in their order, wherever they lie."""
        ...

    def sample(self, position: int) -> Sample:
        """A picture and its label. Raises BadImageError where this one cannot be read, RunError where none can."""
        ...

    def expect(self, positions: Sequence[int]) -> None:
        """Says that these will be read soon."""
        ...

    def order(self, seed: int, epoch: int, kept: Tensor | None = None) -> Tensor:
        """The order of an epoch: int64, `n`, of the positions, or of the places in `kept`, some of the positions."""
        ...

    def close(self) -> None:
        """Closes what is open."""
        ...


def is_described(pictures: Pictures) -> bool:
    """Whether their names are no paths, but words: `sample 3 of 'tiles' (train)`."""
    return bool(getattr(pictures, "described", False))


def named(pictures: Pictures, position: int) -> str:
    """A picture in a sentence: a path in quotation marks, or the words."""
    name = pictures.paths[position]
    return name if is_described(pictures) else f"'{name}'"


class Split(Protocol):
    """One split of a data set, from which batches are read by position."""

    samples: int
    labelled: Tensor  # int64, on the CPU: the positions whose label is known, or will be when they are read, ascending
    label: Tensor  # int64, `n`, on the CPU, see `Pictures`
    index: Tensor  # int64, `n`, on the CPU: where each stood before bad pictures were left out
    source: Pictures  # all of it, as it lies in its files

    def order(self, seed: int, epoch: int) -> Tensor:
        """The order of an epoch, a function of (seed, epoch) and the files' names: int64, `n`, on the CPU."""
        ...

    def read(self, order: Tensor, batch: int, *, full: bool, cutting: Cutting | None = None) -> Iterator[Batch]:
        """The samples at the positions `order` (int64, on the CPU), `batch` at a time; the last may be short.

        full: a sample that cannot be read is replaced, so that the batch keeps its size; else it is left out.
        cutting: what training makes of pictures; without it they come as they are evaluated.
        """
        ...

    def close(self) -> None:
        """Ends what runs in the background."""
        ...


@dataclass
class BadImages:
    """The pictures that could not be read and were skipped: each counted once, the first ten named.

    refused: batches that the device did not decode and the CPU did; refusal: why the first one was.
    """

    names: list[str] = field(default_factory=list)
    refused: int = 0
    refusal: str = ""
    _seen: set[str] = field(default_factory=set, repr=False)

    @property
    def count(self) -> int:
        return len(self._seen)

    def refuse(self, why: str) -> None:
        """Notes a batch that the device did not decode."""
        self.refused += 1
        self.refusal = self.refusal or why

    def add(self, name: str, why: str) -> None:
        if name not in self._seen:
            self._seen.add(name)
            if len(self.names) < 10:
                self.names.append(f"{name}: {why}")
