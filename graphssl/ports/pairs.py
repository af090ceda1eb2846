"""All pairs of a query and an entry, `b n`, where that is too much to be in memory at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, overload

import torch
from torch import Tensor
from torch.library import custom_op
from torch.linalg import vector_norm
from torch.nn.functional import softplus
from torch.utils.flop_counter import register_flop_formula

__all__ = ["PIECE", "Own", "Pairs", "lengths", "whole"]

PIECE = 2**24  # bytes of scores that are computed at once; a critic leaves more than that to the objective, as Pairs
SHORT = 1e-6  # shorter entries count as this long, so that gradients stay bounded


Function = Callable[[Tensor], Tensor]
FUNCTIONS: dict[str, Function] = {"exp": torch.exp, "softplus": softplus, "square": torch.square}
SLOPES: dict[str, Function] = {  # may write into what they are given
    "exp": Tensor.exp_, "softplus": Tensor.sigmoid_, "square": lambda score: score.mul_(2),
}  # fmt: skip


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
        return len(self.query) * len(self.entries) * self.query.dtype.itemsize > PIECE

    def whole(self) -> Tensor:
        """All of them, `b n`."""
        return _products(*self)

    def log_sum_exp(self, mask: Tensor | Own | None) -> Tensor:
        """log sum exp over the entries, `b`, without those that the mask marks; of none the lowest number there is.

        No more than a few pieces of all products are ever held; the backward pass computes them again.
        """
        result: Tensor = _log_sum_exp(self.query, self.entries, *_either(mask), self.limit, self.cosine)
        return result

    def total(self, function: Function, shift: Tensor | float, mask: Tensor | Own | None) -> Tensor:
        """The sum of function(product - shift) over the entries, as `log_sum_exp`; of none 0.

        function: torch's exp, softplus or square; shift: `b`, or a number.
        """
        (name,) = (name for name, known in FUNCTIONS.items() if known is function)
        if not isinstance(shift, Tensor):
            shift = self.query.new_full((len(self.query),), shift)
        result: Tensor = _total(name, self.query, self.entries, shift, *_either(mask), self.limit, self.cosine)
        return result

    def nearest(self, mask: Tensor | Own | None) -> Tensor:
        """Where among the entries the largest product is, `b`: the first of equal ones, and -1 where all are masked."""
        result: Tensor = _nearest(self.query, self.entries, *_either(mask), self.cosine)
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
        return self.place[:, None] == torch.arange(self.n, device=self.place.device)

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


def _products(query: Tensor, entries: Tensor, cosine: bool, limit: Tensor | None) -> Tensor:
    with _exact(query):
        entries = entries.to(query.dtype)
        products = query @ entries.T
        if cosine:
            products = products / lengths(entries)
        return products if limit is None else limit * (products / limit).tanh()


def _either(mask: Tensor | Own | None) -> tuple[Tensor | None, Tensor | None]:
    """The places of own entries, or a mask of all pairs."""
    return (mask.place, None) if isinstance(mask, Own) else (None, mask)


def lengths(entries: Tensor) -> Tensor:
    """Of entries `... d`, those of the short ones not quite 0."""
    length: Tensor = vector_norm(entries, dim=-1)
    return length.clamp(min=SHORT)


def _exact(tensor: Tensor) -> torch.autocast:
    kind = tensor.device.type
    return torch.autocast("cpu" if kind == "meta" else kind, enabled=False)  # autocast does not know meta


# -- operators of their own: a compiler would put the pieces in an order in which all of them are held -----------


@custom_op(
    "graphssl::log_sum_exp",
    mutates_args=(),
    schema="(Tensor query, Tensor entries, Tensor? own, Tensor? mask, Tensor? limit, bool cosine) -> Tensor",
)
def _log_sum_exp(
    query: Tensor, entries: Tensor, own: Tensor | None, mask: Tensor | None, limit: Tensor | None, cosine: bool
) -> Tensor:
    nothing = query.new_full((len(query),), torch.finfo(query.dtype).min)
    sums = [scores.logsumexp(1) for _, _, scores, _ in _pieces(query, entries, own, mask, limit, cosine)]
    return torch.stack([nothing, *sums]).logsumexp(0)


@custom_op(
    "graphssl::total",
    mutates_args=(),
    schema="(str function, Tensor query, Tensor entries, Tensor shift, Tensor? own, Tensor? mask, Tensor? limit, "
    "bool cosine) -> Tensor",
)
def _total(
    function: str, query: Tensor, entries: Tensor, shift: Tensor, own: Tensor | None, mask: Tensor | None,
    limit: Tensor | None, cosine: bool,
) -> Tensor:  # fmt: skip
    total = query.new_zeros(len(query))
    for _, _, scores, excluded in _pieces(query, entries, own, mask, limit, cosine):
        cost = FUNCTIONS[function](scores.sub_(shift[:, None]))
        total += (cost if excluded is None else cost.masked_fill_(excluded, 0)).sum(1)
    return total


@custom_op(
    "graphssl::pieces_backward",
    mutates_args=(),
    schema="(str function, Tensor gradient, Tensor level, Tensor query, Tensor entries, Tensor? own, Tensor? mask, "
    "Tensor? limit, bool cosine, bool to_entries, bool to_level) -> (Tensor, Tensor, Tensor)",
)
def _pieces_backward(
    function: str, gradient: Tensor, level: Tensor, query: Tensor, entries: Tensor, own: Tensor | None,
    mask: Tensor | None, limit: Tensor | None, cosine: bool, to_entries: bool, to_level: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients of the query and, if wanted, of the entries and of the level that scores are less."""
    of_query, of_level = torch.zeros_like(query), torch.zeros_like(level)
    of_entries = entries.new_empty(entries.shape if to_entries else 0)
    with _exact(query):
        for place, piece, scores, excluded in _pieces(query, entries, own, mask, limit, cosine):
            flat = None if limit is None else (scores / limit).clamp_(min=-1).square_()
            share = SLOPES[function](scores.sub_(level[:, None])).mul_(gradient[:, None])
            if excluded is not None:  # where all are, each has a share of the lowest number
                share.masked_fill_(excluded, 0)
            if to_level:
                of_level -= share.sum(1)
            if flat is not None:
                share.addcmul_(share, flat, value=-1)
            if to_entries:
                of_entries[place] = (share.T @ query).to(entries.dtype)
            of_query += (share.div_(lengths(piece)) if cosine else share) @ piece
        return of_query, of_entries, of_level


@custom_op(
    "graphssl::nearest",
    mutates_args=(),
    schema="(Tensor query, Tensor entries, Tensor? own, Tensor? mask, bool cosine) -> Tensor",
)
def _nearest(query: Tensor, entries: Tensor, own: Tensor | None, mask: Tensor | None, cosine: bool) -> Tensor:
    best = query.new_full((len(query),), torch.finfo(query.dtype).min)
    found = torch.full_like(best, -1, dtype=torch.int64)
    for place, _, scores, _ in _pieces(query, entries, own, mask, None, cosine):
        most, column = scores.max(1)
        nearer = most > best
        found = torch.where(nearer, column + place.start, found)
        best = torch.where(nearer, most, best)
    return found


def _pieces(
    query: Tensor, entries: Tensor, own: Tensor | None, mask: Tensor | None, limit: Tensor | None, cosine: bool
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor | None]]:
    """Some entries at a time: where they are, themselves, their scores, and which are excluded.

    The scores of the excluded are the lowest.
    """
    width = max(1, PIECE // max(1, len(query) * query.dtype.itemsize))
    for start in range(0, len(entries), width):
        place = slice(start, start + width)
        piece = entries[place].to(query.dtype)
        scores = _products(query, piece, cosine, limit)
        excluded = None if mask is None else mask[:, place]
        if own is not None:
            excluded = Own(own - start, len(piece)).whole()
        if excluded is not None:
            scores.masked_fill_(excluded, torch.finfo(scores.dtype).min)
        yield place, piece, scores, excluded


@_log_sum_exp.register_fake
def _(query: Tensor, *_: Any) -> Tensor:
    return query.new_empty(query.shape[0])


@_total.register_fake
def _(function: str, query: Tensor, *_: Any) -> Tensor:
    return query.new_empty(query.shape[0])


@_nearest.register_fake
def _(query: Tensor, *_: Any) -> Tensor:
    return query.new_empty(query.shape[0], dtype=torch.int64)


@_pieces_backward.register_fake
def _(
    function: str, gradient: Tensor, level: Tensor, query: Tensor, entries: Tensor, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    to_entries = rest[-2]
    return torch.empty_like(query), entries.new_empty(entries.shape if to_entries else 0), torch.empty_like(level)


def _keep_sum(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.cosine = inputs
    ctx.save_for_backward(output, *tensors)


def _keep_total(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.function, query, entries, shift, *tensors, ctx.cosine = inputs
    ctx.save_for_backward(shift, query, entries, *tensors)


def _gradients(function: str, to_entries: bool, to_level: bool, ctx: Any, gradient: Tensor) -> list[Tensor | None]:
    assert not (to_entries and ctx.cosine)
    given = (function, gradient, *ctx.saved_tensors, ctx.cosine, to_entries, to_level)
    of_query, of_entries, of_level = _pieces_backward(*given)
    return [of_query, of_entries if to_entries else None, of_level if to_level else None]


def _sum_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    # A score's share in the sum is exp(score - log sum): the slope of exp, with the result for the level.
    _, to_entries, *_ = ctx.needs_input_grad
    return *_gradients("exp", to_entries, False, ctx, gradient)[:2], None, None, None, None


def _total_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    _, _, to_entries, to_level, *_ = ctx.needs_input_grad
    return None, *_gradients(ctx.function, to_entries, to_level, ctx, gradient), None, None, None, None


_log_sum_exp.register_autograd(_sum_backward, setup_context=_keep_sum)
_total.register_autograd(_total_backward, setup_context=_keep_total)


@register_flop_formula([torch.ops.graphssl.log_sum_exp, torch.ops.graphssl.total, torch.ops.graphssl.nearest])
def _flops(*shapes: Any, **_: Any) -> int:
    (b, d), (n, _d) = [shape for shape in shapes if isinstance(shape, tuple | torch.Size)][:2]
    return int(2 * b * n * d)


@register_flop_formula(torch.ops.graphssl.pieces_backward)
def _flops_backward(
    function: str, gradient: Any, level: Any, query: tuple[int, int], entries: tuple[int, int], *rest: Any, **_: Any
) -> int:
    to_entries = rest[-2]
    return (6 if to_entries else 4) * query[0] * entries[0] * query[1]
