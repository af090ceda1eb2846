"""Sums over all pairs of a query and an entry, some entries at a time: operators of torch, with their gradients.

Operators of their own, since a compiler would put the pieces in an order in which all of them are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op
from torch.linalg import vector_norm
from torch.nn.functional import softplus
from torch.utils.flop_counter import register_flop_formula

__all__ = [
    "FUNCTIONS", "PIECE", "Function", "exact", "largest", "lengths", "log_sum_exp", "marked", "nearest", "products",
    "total",
]  # fmt: skip

PIECE = 2**24  # bytes of scores that are computed at once; a critic leaves more than that to the objective, as Pairs
SHORT = 1e-6  # shorter entries count as this long, so that gradients stay bounded

Function = Callable[[Tensor], Tensor]
FUNCTIONS: dict[str, Function] = {"exp": torch.exp, "softplus": softplus, "square": torch.square}
SLOPES: dict[str, Function] = {  # may write into what they are given
    "exp": Tensor.exp_, "softplus": Tensor.sigmoid_, "square": lambda score: score.mul_(2),
}  # fmt: skip


def products(query: Tensor, entries: Tensor, cosine: bool, limit: Tensor | None) -> Tensor:
    """All products, `b n`, of queries `b d` and entries `n d`; the rest as `Pairs` has it."""
    with exact(query):
        entries = entries.to(query.dtype)
        every = query @ entries.T
        if cosine:
            every = every / lengths(entries)
        return every if limit is None else limit * (every / limit).tanh()


def lengths(entries: Tensor) -> Tensor:
    """Of entries `... d`, those of the short ones not quite 0."""
    length: Tensor = vector_norm(entries, dim=-1)
    return length.clamp(min=SHORT)


def marked(place: Tensor, n: int) -> Tensor:
    """A mask `b n`, True at one entry of each sample, at `place`, `b`; nowhere where that is not among n."""
    return place[:, None] == torch.arange(n, device=place.device)


def exact(tensor: Tensor) -> torch.autocast:
    """Switches autocast off on a tensor's device, which else would take matrix products to half precision."""
    kind = tensor.device.type
    return torch.autocast("cpu" if kind == "meta" else kind, enabled=False)  # autocast does not know meta


@custom_op(
    "graphssl::log_sum_exp",
    mutates_args=(),
    schema="(Tensor query, Tensor entries, Tensor? own, Tensor? mask, Tensor? limit, bool cosine) -> Tensor",
)
def log_sum_exp(
    query: Tensor, entries: Tensor, own: Tensor | None, mask: Tensor | None, limit: Tensor | None, cosine: bool
) -> Tensor:
    """Over the entries that are not excluded, `b`; own and mask: as `_pieces` has them."""
    nothing = query.new_full((len(query),), torch.finfo(query.dtype).min)
    sums = [scores.logsumexp(1) for _, _, scores, _ in _pieces(query, entries, own, mask, limit, cosine)]
    return torch.stack([nothing, *sums]).logsumexp(0)


@custom_op(
    "graphssl::total",
    mutates_args=(),
    schema="(str function, Tensor query, Tensor entries, Tensor shift, Tensor? own, Tensor? mask, Tensor? limit, "
    "bool cosine) -> Tensor",
)
def total(
    function: str, query: Tensor, entries: Tensor, shift: Tensor, own: Tensor | None, mask: Tensor | None,
    limit: Tensor | None, cosine: bool,
) -> Tensor:  # fmt: skip
    """The sum of function(score - shift) over the entries, `b`; of none 0."""
    costs = query.new_zeros(len(query))
    for _, _, scores, excluded in _pieces(query, entries, own, mask, limit, cosine):
        cost = FUNCTIONS[function](scores.sub_(shift[:, None]))
        costs += (cost if excluded is None else cost.masked_fill_(excluded, 0)).sum(1)
    return costs


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
    with exact(query):
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
    schema="(Tensor query, Tensor entries, Tensor? own, Tensor? mask, bool cosine, int count) -> Tensor",
)
def nearest(
    query: Tensor, entries: Tensor, own: Tensor | None, mask: Tensor | None, cosine: bool, count: int
) -> Tensor:
    """Where the `count` largest scores are, `b count`, the largest first; -1 where no more are left."""
    lowest = torch.finfo(query.dtype).min
    best = query.new_full((len(query), count), lowest)
    found = torch.full_like(best, -1, dtype=torch.int64)
    for place, _, scores, _ in _pieces(query, entries, own, mask, None, cosine):
        most, column = largest(scores, count)
        best, kept = largest(torch.cat([best, most], 1), count)
        found = torch.cat([found, column + place.start], 1).gather(1, kept)
    return found.masked_fill_(best <= lowest, -1)


def largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest of each row, or all, and where they are: of one, the first of equal ones."""
    if count == 1:  # topk does not say which of equal ones it takes
        most, place = scores.max(1, keepdim=True)
        return most, place
    most, place = scores.topk(min(count, scores.shape[1]), 1)
    return most, place


def _pieces(
    query: Tensor, entries: Tensor, own: Tensor | None, mask: Tensor | None, limit: Tensor | None, cosine: bool
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor | None]]:
    """Some entries at a time: where they are, themselves, their scores, and which are excluded.

    own: `b`, an entry of each sample that is excluded; or mask: `b n`, True for each that is. Their scores are the
    lowest.
    """
    width = max(1, PIECE // max(1, len(query) * query.dtype.itemsize))
    for start in range(0, len(entries), width):
        place = slice(start, start + width)
        piece = entries[place].to(query.dtype)
        scores = products(query, piece, cosine, limit)
        excluded = None if mask is None else mask[:, place]
        if own is not None:
            excluded = marked(own - start, len(piece))
        if excluded is not None:
            scores.masked_fill_(excluded, torch.finfo(scores.dtype).min)
        yield place, piece, scores, excluded


@log_sum_exp.register_fake
def _(query: Tensor, *_: Any) -> Tensor:
    return query.new_empty(query.shape[0])


@total.register_fake
def _(function: str, query: Tensor, *_: Any) -> Tensor:
    return query.new_empty(query.shape[0])


@nearest.register_fake
def _(query: Tensor, *rest: Any) -> Tensor:
    return query.new_empty((query.shape[0], rest[-1]), dtype=torch.int64)


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


log_sum_exp.register_autograd(_sum_backward, setup_context=_keep_sum)
total.register_autograd(_total_backward, setup_context=_keep_total)


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
