"""Scores of pairs as dot products: the positives, and the negatives as a whole, masked or picked for each sample."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes
from graphssl.ports import Negatives, Pairs, Scores

from ..numeric import unit, wide
from .picked import many, picked_products

__all__ = ["DotProduct", "against", "beside", "check_rows", "dot_products"]


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
    query, key = wide(query), wide(key)
    if cosine:
        query, key = unit(query), unit(key)
    query = query / temperature
    positive = (beside(query, key) * key).sum(-1)
    if negatives is None:
        return Scores(positive)
    if cosine and negatives.entries.requires_grad:
        negatives, cosine = negatives._replace(entries=unit(wide(negatives.entries))), False

    def every(query: Tensor, entries: Tensor) -> Pairs | Tensor:
        pairs = Pairs(query, entries, cosine)
        spares = pairs.large and (negatives.pick is None or not entries.requires_grad)
        return pairs if spares else pairs.whole()

    return negatives.scores(positive, against(query, negatives, every, partial(picked_products, cosine=cosine)))


def against(
    query: Annotated[Tensor, "b d"],
    negatives: Annotated[Negatives, "n d"],
    every: Callable[[Tensor, Tensor], Pairs | Annotated[Tensor, "b n"]],
    picked: Callable[[Tensor, Tensor, Tensor], Annotated[Tensor, "b m"]],
) -> Pairs | Annotated[Tensor, "b n"]:
    """Scores of the query with every entry, or with those that are picked for it, by the cheaper of two equal ways.

    every: scores with all entries, which may be left uncomputed where they are many. picked: with those of `pick`.
    Raises ValueError as `check_rows` does.
    """
    check_rows(query, negatives)
    entries, pick = negatives.entries, negatives.pick
    if pick is not None and not many(len(entries), pick.shape[1]):
        return picked(query, entries, pick)
    scores = every(query, entries)
    if pick is None:
        return scores
    return picked(query, entries, pick) if isinstance(scores, Pairs) else scores.gather(1, pick)


def check_rows(query: Annotated[Tensor, "b d"], negatives: Annotated[Negatives, "n d"]) -> None:
    """Raises ValueError where picks, mask or same are of another number of samples than there are queries."""
    for rows in negatives[1:]:
        if rows is not None and rows.shape[0] != len(query):
            raise ValueError(
                f"the negatives are made for {rows.shape[0]} samples, and there are {len(query)} queries (positions "
                "and folded views count): give their source what has as many rows as the query"
            )


def beside(query: Annotated[Tensor, "b d"], key: Annotated[Tensor, "b ... e"]) -> Annotated[Tensor, "b ... d"]:
    """The query with axes of size 1 for the positions of the key."""
    return query.reshape(len(query), *(1 for _ in key.shape[1:-1]), query.shape[1])
