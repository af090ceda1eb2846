"""Scores of pairs as dot products: the positives, and the negatives as a whole, masked or picked for each sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes
from graphssl.ports import Negatives, Scores

from ..precision import exact, unit, wide

__all__ = ["DotProduct", "against", "beside", "check_rows", "dot_products"]

ROW = 50  # scores of a full matrix product cost about as much as one gathered entry, at 32 to 128 numbers an entry


class DotProduct(nn.Module):
    """What `critic.dot` and `critic.cosine` share."""

    class Config(NodeConfig):
        temperature: Scheduled[PositiveFloat] = Field(1.0, description="divides the scores; 1 leaves them as they are")

    temperature: float | Tensor
    cosine = False

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self,
        query: Annotated[Tensor, "b d"],
        key: Annotated[Tensor, "b ... d"],
        negatives: Annotated[Negatives, "n d"] | None = None,
    ) -> Annotated[Scores, "b ...", "b n"]:
        return dot_products(query, key, negatives, self.temperature, self.cosine)


def dot_products(
    query: Annotated[Tensor, "b d"],
    key: Annotated[Tensor, "b ... d"],
    negatives: Annotated[Negatives, "n d"] | None,
    temperature: float | Tensor,
    cosine: bool = False,
) -> Annotated[Scores, "b ...", "b n"]:
    """Dot products over the temperature, of l2-normalised vectors when `cosine`.

    At least float32, also under autocast: half precision has neither the range for dot products nor the digits for
    the logits of a softmax. With `pick` the negative scores are `b m`; what the negatives say of pairs goes on as it
    is.
    """
    with exact(query):
        query, key = wide(query), wide(key)
        if cosine:
            query, key = unit(query), unit(key)
        query = query / temperature
        positive = (beside(query, key) * key).sum(-1)
        if negatives is None:
            return Scores(positive)
        negative = against(query, negatives, _cosines if cosine else _products)
        return Scores(positive, negative, negatives.mask, negatives.same)


def _products(query: Tensor, entries: Tensor) -> Tensor:
    entries = entries.to(query.dtype)
    return query @ entries.T if entries.ndim == 2 else torch.einsum("bd,bmd->bm", query, entries)


def _cosines(query: Tensor, entries: Tensor) -> Tensor:
    return _products(query, unit(entries.to(query.dtype)))


def against(
    query: Annotated[Tensor, "b d"],
    negatives: Annotated[Negatives, "n d"],
    score: Callable[[Tensor, Tensor], Annotated[Tensor, "b n"]],
) -> Annotated[Tensor, "b n"]:
    """Scores of the query with every entry, or with those that are picked for it, by the cheaper of two equal ways.

    score: of the query with entries that all samples share, `n d`, or that each has for itself, `b m d`. Raises
    ValueError as `check_rows` does.
    """
    check_rows(query, negatives)
    entries, pick = negatives.entries, negatives.pick
    if pick is None:
        return score(query, entries)
    if len(entries) > ROW * pick.shape[1]:
        return score(query, entries[pick])
    return score(query, entries).gather(1, pick)


def check_rows(query: Annotated[Tensor, "b d"], negatives: Annotated[Negatives, "n d"]) -> None:
    """Raises ValueError where picks, mask or same are of another number of samples than there are queries."""
    for rows in (negatives.pick, negatives.mask, negatives.same):
        if rows is not None and len(rows) != len(query):
            raise ValueError(
                f"the negatives are made for {len(rows)} samples, and there are {len(query)} queries (positions and "
                "folded views count): give their source what has as many rows as the query"
            )


def beside(query: Annotated[Tensor, "b d"], key: Annotated[Tensor, "b ... e"]) -> Annotated[Tensor, "b ... d"]:
    """The query with axes of size 1 for the positions of the key."""
    return query.reshape(len(query), *(1 for _ in key.shape[1:-1]), query.shape[1])
