"""NNCLR's positives: the nearest neighbour in a support set."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives, Scores, detached

from ..critic.base import dot_products

__all__ = ["Nearest"]


@component("target.nearest", detached=True, traits=("rows",))
class Nearest(nn.Module):
    """The support entry with the largest cosine to a key, in the key's place: `b d` and entries `n d` to `b d`.

    NNCLR, equations 2 and 3 (Dwibedi et al. 2021, arXiv:2104.14548), whose support set is a queue: `nearest(z,
    queue())`. Entries come back as they are stored. Those that the support's mask leaves out, such as a sample's own
    in a memory bank, are not taken; a key for which it leaves none stays as it is. Of equally near ones the first is
    taken. Never carries a gradient. Of many cosines only a piece is held at a time.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, key: Annotated[Tensor, "b d"], support: Annotated[Negatives, "n d"]) -> Annotated[Tensor, "b d"]:
        key, support = key.detach(), detached(support)
        best = _best(dot_products(key, key, support, 1.0, cosine=True))
        place = best.clamp(min=0)
        if support.pick is not None:
            place = support.pick.gather(1, place[:, None])[:, 0]
        found = support.entries[place]
        return torch.where((best < 0)[:, None], key.to(found.dtype), found)


def _best(scores: Scores) -> Annotated[Tensor, "b"]:
    """Where the best score of each query is; -1 where all are masked."""
    if scores.pairs is not None:
        return scores.pairs.nearest(scores.own or scores.mask)
    cosine, mask = scores.negative, scores.mask
    assert cosine is not None
    if mask is None:
        return cosine.argmax(1)
    return cosine.masked_fill(mask, -math.inf).argmax(1).masked_fill(mask.all(1), -1)
