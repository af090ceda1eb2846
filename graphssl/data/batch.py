"""What data sets hand over: a batch, what batches are read from, and the pictures that could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from torch import Tensor


class Batch(NamedTuple):
    """One batch, on the device of the run.

    image: uint8, `b 3 h w`, RGB.
    index: int64, `b`, the sample's position in its split (training or held out), counted from 0 in the order of
        the files' sorted names, or of the arrays' rows. It is the same in every epoch, order and run, and below the
        number of files, which is that of `DataFacts.samples` for training: a picture that is skipped keeps its place.
    label: int64, `b`, the class, -1 when it is unknown.
    """

    image: Tensor
    index: Tensor  # type: ignore[assignment]  # hides tuple.index, which nobody needs
    label: Tensor


class Source(Protocol):
    """One split of a data set, from which batches are read by position."""

    samples: int
    labelled: Tensor  # int64, on the CPU: the positions whose label is known, ascending

    def read(self, order: Tensor, batch: int, *, full: bool) -> Iterator[Batch]:
        """The samples at the positions `order` (int64, on the CPU), `batch` at a time; the last may be short.

        full: a sample that cannot be read is replaced, so that the batch keeps its size; else it is left out.
        """
        ...

    def close(self) -> None:
        """Ends what runs in the background."""
        ...


@dataclass
class BadImages:
    """The pictures that could not be read and were skipped: each counted once, the first ten named."""

    names: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set, repr=False)

    @property
    def count(self) -> int:
        return len(self._seen)

    def add(self, name: str, why: str) -> None:
        if name not in self._seen:
            self._seen.add(name)
            if len(self.names) < 10:
                self.names.append(f"{name}: {why}")
