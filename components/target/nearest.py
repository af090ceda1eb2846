"""NNCLR's positives: the nearest neighbour in a support set."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives

from ..critic.base import dot_products

__all__ = ["Nearest"]


@component("target.nearest", detached=True)
class Nearest(nn.Module):
    """The support entry with the largest cosine to a key, in the key's place: `b d` and entries `n d` to `b d`.

    NNCLR, equations 2 and 3 (Dwibedi et al. 2021, arXiv:2104.14548), whose support set is a queue: `nearest(z,
    queue())`. Entries come back as they are stored. Those that the support's mask leaves out, such as a sample's own
    in a memory bank, are not taken; a key for which it leaves none stays as it is. Of equally near ones the first is
    taken. Never carries a gradient.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, key: Annotated[Tensor, "b d"], support: Annotated[Negatives, "n d"]) -> Annotated[Tensor, "b d"]:
        key, entries = key.detach(), support.entries.detach()
        cosine = dot_products(key, key, Negatives(entries, support.pick), 1.0, cosine=True).negative
        assert cosine is not None
        if support.mask is not None:
            cosine = cosine.masked_fill(support.mask, -math.inf)
        best = cosine.argmax(1, keepdim=True)
        if support.pick is not None:
            best = support.pick.gather(1, best)
        found = entries[best[:, 0]]
        if support.mask is None:
            return found
        return torch.where(support.mask.all(1, keepdim=True), key.to(found.dtype), found)
