"""Scores by learned networks: of each side by itself, or of a pair as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from graphssl.component import Sizes
from graphssl.ports import Negatives, Scores

from ..head.mlp import MLP
from ..numeric import exact, wide
from .base import beside, check_rows, dot_products

__all__ = ["concatenate", "embed_and_dot", "plain_mlp"]


def plain_mlp(d: int, hidden: int, out: int, layers: int) -> MLP:
    """Linear layers with ReLUs between them and no norm, from d to out numbers.

    A norm over the batch would tell positives from negatives, which go through it apart.
    """
    return MLP(MLP.Config(hidden=hidden, out=out, layers=layers, norm="none"), Sizes({"d": d}))


def embed_and_dot(
    query: Annotated[Tensor, "b d"],
    key: Annotated[Tensor, "b ... e"],
    negatives: Annotated[Negatives, "n e"] | None,
    phi: nn.Module,
    psi: nn.Module,
) -> Annotated[Scores, "b ...", "b n"]:
    """phi(query)^T psi(key), in float32 or wider, also under autocast. The networks know the last axis only."""
    with exact(query):
        query, key = phi(wide(query)), psi(wide(key))
        if negatives is not None:
            negatives = _through(negatives, lambda entries: psi(wide(entries)))
    return dot_products(query, key, negatives, 1.0)


def concatenate(
    query: Annotated[Tensor, "b d"],
    key: Annotated[Tensor, "b ... e"],
    negatives: Annotated[Negatives, "n e"] | None,
    layers: nn.Sequential,
) -> Annotated[Scores, "b ...", "b n"]:
    """layers([query, key]), in float32 or wider, also under autocast.

    The first layer is linear, W [x; y] = Wx x + Wy y: each side goes through it by itself, and a pair costs a sum.
    What follows the first layer is `b n hidden`.
    """
    first, *others = layers
    assert isinstance(first, nn.Linear)
    x, y = first.weight.split([query.shape[-1], key.shape[-1]], 1)

    def score(a: Tensor, b: Tensor) -> Tensor:
        hidden = a + b
        for layer in others:
            hidden = layer(hidden)
        return hidden.squeeze(-1)

    with exact(query):
        a = linear(wide(query), x, first.bias)
        b = linear(wide(key), y)
        positive = score(beside(a, b), b)
        if negatives is None:
            return Scores(positive)
        check_rows(query, negatives)
        negatives = _through(negatives, lambda entries: linear(wide(entries), y))
        entries = negatives.entries if negatives.pick is None else negatives.entries[negatives.pick]
        return negatives.scores(positive, score(a[:, None], entries))


def _through(negatives: Negatives, network: Callable[[Tensor], Tensor]) -> Negatives:
    """The negatives with their entries through a network; of a large store only the entries that are picked."""
    entries, pick = negatives.entries, negatives.pick
    if pick is not None and pick.numel() < len(entries):
        entries, pick = entries[pick.flatten()], torch.arange(pick.numel(), device=pick.device).view_as(pick)
    return negatives._replace(entries=network(entries), pick=pick)
