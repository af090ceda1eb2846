"""All pairs of a query and an entry, `b n`, where that is too much to be in memory at once."""

from __future__ import annotations

from typing import NamedTuple, overload

from torch import Tensor

from . import pieces
from .pieces import FUNCTIONS, Function, marked

__all__ = ["Own", "Pairs", "whole"]


class Pairs(NamedTuple):
    """Dot products of queries `b d` and entries `n d` that are not computed yet.

    cosine: they are divided by the lengths of the entries, which have no gradient then: unit vectors of a whole bank
    would be a copy of it. limit: c in c * tanh(product / c), 0-d, without a gradient; None leaves them as they are.
    Queries are float32 or wider, and so are the products, also under autocast.
    """

    query: Tensor
    entries: Tensor
    cosine: bool = False
    limit: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.query), len(self.entries)

    @property
    def large(self) -> bool:
        """Whether to leave them uncomputed."""
        return len(self.query) * len(self.entries) * self.query.dtype.itemsize > pieces.PIECE

    def whole(self) -> Tensor:
        """All of them, `b n`."""
        return pieces.products(*self)

    def log_sum_exp(self, mask: Tensor | Own | None) -> Tensor:
        """log sum exp over the entries, `b`, without those that the mask marks; of none the lowest number there is.

        No more than a few pieces of all products are ever held; the backward pass computes them again.
        """
        result: Tensor = pieces.log_sum_exp(self.query, self.entries, *_either(mask), self.limit, self.cosine)
        return result

    def total(self, function: Function, shift: Tensor | float, mask: Tensor | Own | None) -> Tensor:
        """The sum of function(product - shift) over the entries, as `log_sum_exp`; of none 0.

        function: torch's exp, softplus or square; shift: `b`, or a number.
        """
        (name,) = (name for name, known in FUNCTIONS.items() if known is function)
        if not isinstance(shift, Tensor):
            shift = self.query.new_full((len(self.query),), shift)
        result: Tensor = pieces.total(name, self.query, self.entries, shift, *_either(mask), self.limit, self.cosine)
        return result

    def nearest(self, mask: Tensor | Own | None, count: int = 1) -> Tensor:
        """Where among the entries the largest products are, `b count`, the largest first; -1 where no more are left.

        Of one, it is the first of equal ones.
        """
        result: Tensor = pieces.nearest(self.query, self.entries, *_either(mask), self.cosine, count)
        return result

    def chunk(self, count: int) -> list[Pairs]:
        """So many parts of the queries."""
        return [self._replace(query=part) for part in self.query.chunk(count)]


class Own(NamedTuple):
    """A mask `b n` that is True at one entry of each sample, its own. place: `b`, where that is among n."""

    place: Tensor
    n: int

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.place), self.n

    def whole(self) -> Tensor:
        """The mask itself, `b n`."""
        return marked(self.place, self.n)

    def chunk(self, count: int) -> list[Own]:
        """So many parts of the samples."""
        return [Own(part, self.n) for part in self.place.chunk(count)]


@overload
def whole(value: Tensor | Pairs | Own) -> Tensor: ...


@overload
def whole(value: None) -> None: ...


def whole(value: Tensor | Pairs | Own | None) -> Tensor | None:
    """What is said of all pairs as one tensor."""
    return value.whole() if isinstance(value, Pairs | Own) else value


def _either(mask: Tensor | Own | None) -> tuple[Tensor | None, Tensor | None]:
    """The places of own entries, or a mask of all pairs."""
    return (mask.place, None) if isinstance(mask, Own) else (None, mask)
