"""What a component may know before there is data: sizes of letters from the wires, and facts of the data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["DataFacts", "Sizes", "Unbound", "scale_of"]


@dataclass(frozen=True)
class DataFacts:
    """What components may know of the data before it is read. `samples` is None when nobody can say.

    height, width: in pixels, of views, unless their node says otherwise, and of the pictures that are evaluated.
    source: height and width of the pictures themselves, None where each has its own: then `batch.image` is each picture
    scaled and cropped to height and width, and `cuts` are of the whole picture. Default: height and width.
    dtype: of the pictures' values, uint8, uint16 or float32. mean, std: by channel, where the type's largest value, for
    float32 1, is 1.
    """

    channels: int = 3
    height: int = 32
    width: int = 32
    samples: int | None = None
    classes: int | None = None
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.25, 0.25, 0.25)
    source: tuple[int, int] | None = (0, 0)
    dtype: str = "uint8"

    def __post_init__(self) -> None:
        if self.source == (0, 0):
            object.__setattr__(self, "source", (self.height, self.width))

    @property
    def image(self) -> tuple[int, int]:
        """Height and width of `batch.image`."""
        return self.source or (self.height, self.width)

    @property
    def unlabelled(self) -> bool:
        """Whether it is known that no training sample has a label."""
        return False

    def fewer_than(self, n: int) -> int | None:
        """The number of samples where it is known to be below n, else None. Cheaper than `samples` for a folder."""
        return self.samples if self.samples is not None and self.samples < n else None


class Unbound(LookupError):
    """A size that is not known (yet): the letter, or `samples`."""


class Sizes(Mapping[str, int]):
    """The sizes of the letters of a node's ports: `sizes["d"]`. Raises `Unbound` for one not known yet.

    `sizes.data` are the facts of the data set, `sizes.samples` the number of its training samples.
    """

    def __init__(self, letters: Mapping[str, int] | None = None, data: DataFacts | None = None) -> None:
        self._letters = dict(letters or {})
        self.data = data or DataFacts()

    def __getitem__(self, letter: str) -> int:
        if letter not in self._letters:
            raise Unbound(letter)
        return self._letters[letter]

    def __iter__(self) -> Iterator[str]:
        return iter(self._letters)

    def __len__(self) -> int:
        return len(self._letters)

    @property
    def samples(self) -> int:
        if self.data.samples is None:
            raise Unbound("samples")
        return self.data.samples


def scale_of(image: Tensor) -> float:
    """The value of white: the largest of a type of whole numbers, 1 of floats."""
    return 1.0 if image.dtype.is_floating_point else float(torch.iinfo(image.dtype).max)
