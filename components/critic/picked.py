"""Dot products with entries of a large bank that are picked for each query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.library import custom_op
from torch.utils.flop_counter import register_flop_formula

from graphssl.ports import PIECE, lengths

from ..numeric import exact

__all__ = ["many", "picked_products"]

ROW = 50  # scores of a full matrix product cost about as much as one gathered entry, at 32 to 128 numbers an entry
LEAST = 16  # queries of which all products are made at once, so that the entries are not read for each of them


def picked_products(
    query: Annotated[Tensor, "b d"], entries: Annotated[Tensor, "n d"], pick: Annotated[Tensor, "b m"], cosine: bool
) -> Annotated[Tensor, "b m"]:
    """query^T entries[pick]; with `cosine` over the lengths of the entries, which have no gradient then.

    Of entries without a gradient only some queries' are gathered at once, and again in the backward pass: those of
    all, `b m d`, would be larger than the bank. Where a large share of them is picked, the products of some queries
    with all entries are made instead, and gathered from.
    """
    if entries.requires_grad:
        with exact(query):
            return _products(query, entries[pick].to(query.dtype), cosine)
    result: Tensor = _picked_products(query, entries, pick, cosine)
    return result


def _products(query: Tensor, entries: Annotated[Tensor, "b m d"], cosine: bool) -> Tensor:
    products: Tensor = torch.einsum("bd,bmd->bm", query, entries)
    return products / lengths(entries) if cosine else products


@custom_op(
    "graphssl::picked_products",
    mutates_args=(),
    schema="(Tensor query, Tensor entries, Tensor pick, bool cosine) -> Tensor",
)
def _picked_products(query: Tensor, entries: Tensor, pick: Tensor, cosine: bool) -> Tensor:
    products = query.new_empty(pick.shape)
    with exact(query):
        if many(len(entries), pick.shape[1]):
            entries, length = _whole(query, entries, cosine)
            for rows in _rows(query, len(entries), LEAST):
                picks = pick[rows]
                found = (query[rows] @ entries.T).gather(1, picks)
                products[rows] = found if length is None else found / length[picks]
            return products
        for rows, gathered in _gathered(query, entries, pick):
            products[rows] = _products(query[rows], gathered, cosine)
    return products


@custom_op(
    "graphssl::picked_products_backward",
    mutates_args=(),
    schema="(Tensor gradient, Tensor query, Tensor entries, Tensor pick, bool cosine) -> Tensor",
)
def _picked_products_backward(gradient: Tensor, query: Tensor, entries: Tensor, pick: Tensor, cosine: bool) -> Tensor:
    of_query = torch.empty_like(query)
    with exact(query):
        if many(len(entries), pick.shape[1]):
            entries, length = _whole(query, entries, cosine)
            for rows in _rows(query, len(entries), LEAST):
                picks = pick[rows]
                share = gradient[rows] if length is None else gradient[rows] / length[picks]
                of_query[rows] = query.new_zeros(len(picks), len(entries)).scatter_add_(1, picks, share) @ entries
            return of_query
        for rows, gathered in _gathered(query, entries, pick):
            share = gradient[rows] / lengths(gathered) if cosine else gradient[rows]
            of_query[rows] = torch.einsum("bm,bmd->bd", share, gathered)
    return of_query


def many(n: int, m: int) -> bool:
    """Whether scores with all n entries are the cheaper way to those with the m that are picked."""
    return n <= ROW * m


def _whole(query: Tensor, entries: Tensor, cosine: bool) -> tuple[Tensor, Tensor | None]:
    """All entries, and what their products are divided by."""
    entries = entries.to(query.dtype)
    return entries, lengths(entries) if cosine else None


def _gathered(query: Tensor, entries: Tensor, pick: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Some rows at a time, and the entries that are picked for them, `b m d`."""
    for rows in _rows(query, pick.shape[1] * entries.shape[1], 1):
        yield rows, entries[pick[rows]].to(query.dtype)


def _rows(query: Tensor, width: int, least: int) -> Iterator[slice]:
    """Some queries at a time, at least so many, of which each takes so many numbers."""
    step = max(least, PIECE // max(1, width * query.dtype.itemsize))
    for start in range(0, len(query), step):
        yield slice(start, start + step)


@_picked_products.register_fake
def _(query: Tensor, entries: Tensor, pick: Tensor, cosine: bool) -> Tensor:
    return query.new_empty(pick.shape)


@_picked_products_backward.register_fake
def _(gradient: Tensor, query: Tensor, entries: Tensor, pick: Tensor, cosine: bool) -> Tensor:
    return torch.empty_like(query)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.cosine = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
    return _picked_products_backward(gradient, *ctx.saved_tensors, ctx.cosine), None, None, None


_picked_products.register_autograd(_backward, setup_context=_keep)


@register_flop_formula([torch.ops.graphssl.picked_products, torch.ops.graphssl.picked_products_backward])
def _flops(*shapes: Any, **rest: Any) -> int:
    """Two for each number that is gathered, or for each of a product."""
    *_, (n, d), (b, m), _ = shapes
    return int(2 * b * (n if many(n, m) else m) * d)
