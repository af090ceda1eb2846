"""Kinds of values: what a port may carry, besides a tensor."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from torch import Tensor

from .pairs import Own, Pairs, whole


class _Negatives(NamedTuple):
    entries: Tensor
    pick: Tensor | None = None
    mask: Tensor | Own | None = None
    same: Tensor | None = None


class Negatives(_Negatives):
    """Entries that stand for other samples.

    entries: `n d`, shared by the batch.
    pick: `b m` or None; the entries drawn for each sample, as indices into `entries`. None takes all of them.
    mask: `b n` (`b m` with `pick`) or None; True where an entry is not a negative, such as the sample's own.
    same: as `mask`; True where an entry is a further positive, of a sample of the same class.

    A mask may be given as `Own`; read by its name it is a tensor all the same.
    """

    __slots__ = ()

    @property
    def mask(self) -> Tensor | None:
        return whole(self[2])

    def scores(self, positive: Tensor, negative: Tensor | Pairs) -> Scores:
        """Scores of the entries, of whose pairs they say what the negatives say."""
        return Scores(positive, negative, self[2], self.same)

    @classmethod
    def __class_getitem__(cls, axes: str) -> Any:
        return Annotated[cls, axes]


class _Scores(NamedTuple):
    positive: Tensor
    negative: Tensor | Pairs | None = None
    mask: Tensor | Own | None = None
    same: Tensor | None = None


class Scores(_Scores):
    """A critic's scores: positive pairs `b`, negative pairs `b n` or None.

    positive may be `b ...`: several positives of one query, such as the positions of a map, share its negatives.
    mask: `b n` or None; True where a pair is not a negative; an objective leaves those out.
    same: `b n` or None; True where a pair is a further positive. Only objectives that know of it use those pairs.

    Negatives may be given as `Pairs` and a mask as `Own`, so that large ones take no room; read by their names they
    are tensors all the same. An objective that needs no more than `pairs.log_sum_exp` or `pairs.total` spares
    the memory.
    """

    __slots__ = ()

    @property
    def negative(self) -> Tensor | None:
        return whole(self[1])

    @property
    def mask(self) -> Tensor | None:
        return whole(self[2])

    @property
    def pairs(self) -> Pairs | None:
        """The negatives, where they are not computed yet."""
        return self[1] if isinstance(self[1], Pairs) else None

    @property
    def own(self) -> Own | None:
        """The mask, where it is one entry of each sample."""
        return self[2] if isinstance(self[2], Own) else None

    @classmethod
    def __class_getitem__(cls, axes: str | tuple[str, ...]) -> Any:
        return Annotated[(cls, *([axes] if isinstance(axes, str) else axes))]


class Gaussian(NamedTuple):
    """A diagonal normal distribution: mean and log variance, both `b d`."""

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def __class_getitem__(cls, axes: str) -> Any:
        return Annotated[cls, axes]


class In:
    """`In["b d"]`: a tensor with these axes; short for `Annotated[Tensor, "b d"]`."""

    def __class_getitem__(cls, axes: str) -> Any:
        return Annotated[Tensor, axes]


KINDS: dict[type, str] = {Tensor: "tensor", Negatives: "negatives", Scores: "scores", Gaussian: "gaussian"}
# How many groups of axes an annotation has.
AXES: dict[str, int] = {"tensor": 1, "negatives": 1, "scores": 2, "gaussian": 1, "family": 1}
