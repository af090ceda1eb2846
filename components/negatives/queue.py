"""MoCo's queue: keys of earlier batches as negatives."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component, update
from graphssl.ports import Negatives

from .base import random_directions, write_rows

__all__ = ["Queue"]


@component("negatives.queue", detached=True, traits=("history",))
class Queue(nn.Module):
    """The last `size` keys, the oldest overwritten first.

    MoCo, section 3.1 (He et al. 2020, arXiv:1911.05722). `keys` (`n d`) is a ring, written at `head`; it starts
    with random unit vectors, as in MoCo's code. Keys are stored as they come, so that every critic may use them;
    `critic.cosine` normalises them. A batch of any size fits: at the end the ring goes on at its beginning, and of
    a batch larger than the ring the last `size` keys stay.
    """

    class Config(NodeConfig):
        size: PositiveInt = Field(65536, description="keys held; best a multiple of the batch")

    keys: Tensor
    head: Tensor
    skipped: Tensor | None = None

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.register_buffer("keys", random_directions(config.size, sizes["d"]))
        self.register_buffer("head", torch.zeros((), dtype=torch.int64))

    def forward(self) -> Annotated[Negatives, "n d"]:
        return Negatives(self.keys)

    @update
    def push(self, key: Annotated[Tensor, "b d"]) -> None:
        """Writes a batch of keys over the oldest ones."""
        size, b = len(self.keys), len(key)
        place = (self.head + torch.arange(b, device=key.device)) % size
        # Past a full turn the ring would be written twice, in no certain order.
        write_rows(self.keys, place[-size:], key[-size:], self.skipped)
        head = (self.head + b) % size
        self.head.copy_(head if self.skipped is None else torch.where(self.skipped, self.head, head))
