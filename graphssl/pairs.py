"""All pairs of a query and an entry, `b n`, where that is too much to be in memory at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, overload

import torch
from torch import Tensor
from torch.library import custom_op
from torch.linalg import vector_norm
from torch.utils.flop_counter import register_flop_formula

__all__ = ["PIECE", "Own", "Pairs", "lengths", "whole"]

PIECE = 2**24  # bytes of scores that are computed at once; a critic leaves more than that to the objective, as Pairs
SHORT = 1e-6  # shorter entries count as this long, so that gradients stay bounded


class Pairs(NamedTuple):
    """Dot products of queries `b d` and entries `n d` that are not computed yet.

    cosine: they are divided by the lengths of the entries, which have no gradient then: unit vectors of a whole bank
    would be a copy of it. Queries are float32 or wider, and so are the products, also under autocast.
    """

    query: Tensor
    entries: Tensor
    cosine: bool = False

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

        No more than a piece of all products is ever held; the backward pass computes them again.
        """
        own = mask.place if isinstance(mask, Own) else None
        result: Tensor = _log_sum_exp(self.query, self.entries, own, mask if own is None else None, self.cosine)
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


def _products(query: Tensor, entries: Tensor, cosine: bool) -> Tensor:
    with _exact(query):
        entries = entries.to(query.dtype)
        products = query @ entries.T
        return products / lengths(entries) if cosine else products


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
    schema="(Tensor query, Tensor entries, Tensor? own, Tensor? mask, bool cosine) -> Tensor",
)
def _log_sum_exp(query: Tensor, entries: Tensor, own: Tensor | None, mask: Tensor | None, cosine: bool) -> Tensor:
    nothing = query.new_full((len(query),), torch.finfo(query.dtype).min)
    sums = [scores.logsumexp(1) for scores, _, _ in _pieces(query, entries, own, mask, cosine)]
    return torch.stack([nothing, *sums]).logsumexp(0)


@custom_op(
    "graphssl::log_sum_exp_backward",
    mutates_args=(),
    schema="(Tensor gradient, Tensor total, Tensor query, Tensor entries, Tensor? own, Tensor? mask, bool cosine, "
    "bool both) -> (Tensor, Tensor)",
)
def _log_sum_exp_backward(
    gradient: Tensor, total: Tensor, query: Tensor, entries: Tensor, own: Tensor | None, mask: Tensor | None,
    cosine: bool, both: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    of_query, of_entries = torch.zeros_like(query), [entries[:0]]
    with _exact(query):
        for scores, piece, excluded in _pieces(query, entries, own, mask, cosine):
            share = scores.sub_(total[:, None]).exp_().mul_(gradient[:, None])
            if excluded is not None:  # where all are, each has a share of the lowest number
                share.masked_fill_(excluded, 0)
            if both:
                of_entries.append((share.T @ query).to(entries.dtype))
            of_query += (share.div_(lengths(piece)) if cosine else share) @ piece
        return of_query, torch.cat(of_entries)


def _pieces(
    query: Tensor, entries: Tensor, own: Tensor | None, mask: Tensor | None, cosine: bool
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Some entries at a time: their scores, the entries, and which are excluded; the scores of those are the lowest."""
    width = max(1, PIECE // max(1, len(query) * query.dtype.itemsize))
    for start in range(0, len(entries), width):
        piece = entries[start : start + width].to(query.dtype)
        scores = _products(query, piece, cosine)
        excluded = None if mask is None else mask[:, start : start + width]
        if own is not None:
            excluded = Own(own - start, len(piece)).whole()
        if excluded is not None:
            scores.masked_fill_(excluded, torch.finfo(scores.dtype).min)
        yield scores, piece, excluded


@_log_sum_exp.register_fake
def _(query: Tensor, entries: Tensor, own: Tensor | None, mask: Tensor | None, cosine: bool) -> Tensor:
    return query.new_empty(query.shape[0])


@_log_sum_exp_backward.register_fake
def _(
    gradient: Tensor, total: Tensor, query: Tensor, entries: Tensor, own: Tensor | None, mask: Tensor | None,
    cosine: bool, both: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    return torch.empty_like(query), torch.empty_like(entries if both else entries[:0])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    query, entries, own, mask, ctx.cosine = inputs
    ctx.save_for_backward(output, query, entries, own, mask)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None, None, None]:
    both = ctx.needs_input_grad[1]
    assert not (both and ctx.cosine)
    of_query, of_entries = _log_sum_exp_backward(gradient, *ctx.saved_tensors, ctx.cosine, both)
    return of_query, of_entries if both else None, None, None, None


_log_sum_exp.register_autograd(_backward, setup_context=_keep)


@register_flop_formula(torch.ops.graphssl.log_sum_exp)
def _flops(query: tuple[int, int], entries: tuple[int, int], *_: Any, **__: Any) -> int:
    return 2 * query[0] * entries[0] * query[1]


@register_flop_formula(torch.ops.graphssl.log_sum_exp_backward)
def _flops_backward(
    gradient: Any, total: Any, query: tuple[int, int], entries: tuple[int, int], own: Any, mask: Any, cosine: bool,
    both: bool, **_: Any,
) -> int:  # fmt: skip
    return (6 if both else 4) * query[0] * entries[0] * query[1]
