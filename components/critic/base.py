"""Scores of pairs as dot products: the positives, and the negatives as a whole, masked or picked for each sample."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from graphssl.ports import Negatives, Scores

__all__ = ["dot_products", "exact", "unit", "wide"]

ROW = 50  # scores of a full matrix product cost about as much as one gathered entry, at 32 to 128 numbers an entry


def dot_products(
    query: Annotated[Tensor, "b d"],
    key: Annotated[Tensor, "b d"],
    negatives: Annotated[Negatives, "n d"] | None,
    temperature: float | Tensor,
    cosine: bool = False,
) -> Annotated[Scores, "b", "b n"]:
    """Dot products over the temperature, of l2-normalised vectors when `cosine`.

    At least float32, also under autocast: half precision has neither the range for dot products nor the digits for
    the logits of a softmax. With `pick` the negative scores are `b m`; the mask goes on as it is.
    """
    with exact(query):
        query, key = wide(query), wide(key)
        if cosine:
            query, key = unit(query), unit(key)
        query = query / temperature
        positive = (query * key).sum(1)
        if negatives is None:
            return Scores(positive)
        return Scores(positive, _negative(query, negatives, cosine), negatives.mask)


def _negative(query: Tensor, negatives: Negatives, cosine: bool) -> Tensor:
    """The query with every entry, or with those that are picked for it, by the cheaper of two equal ways."""
    entries, pick = negatives.entries, negatives.pick
    by_row = pick is not None and len(entries) > ROW * pick.shape[1]
    if by_row:
        entries = entries[pick]
    entries = entries.to(query.dtype)
    if cosine:
        entries = unit(entries)
    if by_row:
        return torch.einsum("bd,bmd->bm", query, entries)
    scores = query @ entries.T
    return scores if pick is None else scores.gather(1, pick)


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32, or in what it is if that is wider."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def unit(vectors: Annotated[Tensor, "... d"]) -> Annotated[Tensor, "... d"]:
    """Vectors of length one; those shorter than 1e-6 are scaled by 1e6, so that gradients stay bounded.

    The bound is that of `tf.math.l2_normalize`, which SimCLR's and BYOL's code use.
    """
    return functional.normalize(vectors, dim=-1, eps=1e-6)


def exact(tensor: Tensor) -> torch.autocast:
    """Switches autocast off, which else would take matrix products to half precision."""
    kind = tensor.device.type
    return torch.autocast("cpu" if kind == "meta" else kind, enabled=False)  # autocast does not know meta
