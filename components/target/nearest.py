"""Neighbours in a support set, in place of an embedding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives, Scores, Signature, detached, largest, signature_of

from ..critic.base import dot_products

__all__ = ["Nearest"]


@component("target.nearest", detached=True, traits=("rows",))
class Nearest(nn.Module):
    """The support entries with the largest cosines to a key, in the key's place: `b d` and entries `n d` to `b d`.

    NNCLR, equations 2 and 3 (Dwibedi et al. 2021, arXiv:2104.14548), whose support set is a queue: `nearest(z,
    queue())`. With a `count` above 1 they are `b k d`, the nearest first, which a critic scores as k positives: mean
    shift, equation 1 (Koohpayegani et al. 2021, arXiv:2105.07269), where the key itself is the first of them, `own`,
    since the authors put it into the memory before they look.

    Entries come back as they are stored. Those that the support's mask leaves out, such as a sample's own in a memory
    bank, are not taken; where it leaves too few, the key stands for what is missing. Of equally near ones the first is
    taken, with a `count` any. Never carries a gradient. Of many cosines only a piece is held at a time.
    """

    class Config(NodeConfig):
        count: PositiveInt = Field(1, description="k, how many: NNCLR 1, mean shift 5")
        own: bool = Field(False, description="whether the key itself is the first of them")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.own, self.others = config.own, config.count - config.own
        self.alone = not _several(config)

    @classmethod
    def signature(cls, config: Config, of: Mapping[str, Signature]) -> Signature:
        """`b k d` where there are several."""
        one = signature_of(cls.forward)
        return replace(one, outputs=(replace(one.outputs[0], axes=(("b", "k", "d"),)),)) if _several(config) else one

    def forward(self, key: Annotated[Tensor, "b d"], support: Annotated[Negatives, "n d"]) -> Annotated[Tensor, "b d"]:
        key, support = key.detach(), detached(support)
        best = _best(dot_products(key, key, support, 1.0, cosine=True), self.others)
        place = best.clamp(min=0)
        if support.pick is not None:
            place = support.pick.gather(1, place)
        found = support.entries[place]
        key = key.to(found.dtype)[:, None]
        found = torch.where((best < 0)[..., None], key, found)
        if self.own:
            found = torch.cat([key, found], 1)
        return found[:, 0] if self.alone else found


def _several(config: Nearest.Config) -> bool:
    return config.count > 1


def _best(scores: Scores, count: int) -> Annotated[Tensor, "b k"]:
    """Where the best scores of each query are; -1 where no more are left."""
    if scores.pairs is not None:
        return scores.pairs.nearest(scores.own or scores.mask, count)
    cosine, mask = scores.negative, scores.mask
    assert cosine is not None
    if mask is not None:
        cosine = cosine.masked_fill(mask, -math.inf)
    most, place = largest(cosine, count)
    found = place if mask is None else place.masked_fill(most == -math.inf, -1)
    return functional.pad(found, (0, count - found.shape[1]), value=-1)
