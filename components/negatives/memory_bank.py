"""A memory bank: one entry for each training sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Scheduled, Sizes, component, update
from graphssl.ports import Negatives, Own, Owned, Signature, signature_of

from ..numeric import Momentum
from .alias import AliasSampler
from .base import random_directions, write_rows
from .weights import read_weights

__all__ = ["MemoryBank", "bank_of"]


@component("negatives.memory_bank", detached=True, traits=("history", "bank", "weighted", "rows"))
class MemoryBank(nn.Module):
    """A unit vector for each training sample; `sample` of them, drawn at random, are a query's negatives.

    Instance discrimination, section 3 (Wu et al. 2018, arXiv:1805.01978). `keys` (`samples d`) starts with random
    unit vectors. Entries are drawn with replacement, anew for each query; `sample: null` takes all of them. The
    query's own entry is masked unless `own: keep`, with which the authors' code draws it like any other. Draws are
    uniform, or in proportion to `weights`, by the alias method; the NCE objectives are for uniform ones.

    With `shard: rows` each of several processes holds its part of the rows only, and fetches the entries that its
    queries draw from their owners; what is computed is the same. With `sample: null` it fetches all of them, each step.
    """

    class Config(NodeConfig):
        sample: PositiveInt | None = Field(4096, description="entries drawn for each query; null takes all")
        momentum: Scheduled[Momentum] = Field(0.5, description="m in m * entry + (1 - m) * key")
        own: Literal["mask", "keep"] = Field("mask", description="a sample's own entry among its negatives")
        weights: str | None = Field(
            None,
            description="text file with a number of 0 or more for each training sample, one a line; its path from the "
            "current folder; null draws uniformly",
        )
        shard: Literal["none", "rows"] = Field(
            "none", description="of several processes, each holds all rows, or its own part of them only"
        )

        @model_validator(mode="after")
        def _weights_are_for_drawing(self) -> MemoryBank.Config:
            if self.weights is not None and self.sample is None:
                raise ValueError("weights say how entries are drawn, and sample: null takes all of them")
            return self

    momentum: float | Tensor
    keys: Tensor
    owned: Owned | None  # set by the framework, in place of `keys`, where they are parted
    skipped: Tensor | None = None

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.sample, self.masks, self.samples = config.sample, config.own == "mask", sizes.samples
        self.parted = "keys" if config.shard == "rows" else None
        self.register_buffer("keys", random_directions(self.samples, sizes["d"]))
        self.owned = None
        weights = None if config.weights is None else read_weights(config.weights, self.samples)
        self.sampler = None if weights is None else AliasSampler(weights)
        self._weights = weights if self.parted else None

    @classmethod
    def signature(cls, config: Config, of: Mapping[str, Signature]) -> Signature:
        """Only a bank that draws its entries is random."""
        return replace(signature_of(cls.forward), draws=config.sample is not None)

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Entries for each of b samples, `b m`."""
        shape = (b, self.sample or 0)
        if self.sampler is not None:
            return self.sampler.draw(shape, generator, device)
        return torch.randint(self.samples, shape, generator=generator, device=device)

    def share(self, rows: int) -> float:
        """How likely a draw is one of a part's rows, for the likeliest of the parts of so many rows each."""
        if type(self).draw is not MemoryBank.draw:
            return 1.0
        if self._weights is None:
            return rows / self.samples
        parts = np.add.reduceat(self._weights / self._weights.max(), np.arange(0, self.samples, rows))
        return float(parts.max() / parts.sum())

    def forward(self, index: Annotated[Tensor, "b"], draws: Tensor | None = None) -> Annotated[Negatives, "n d"]:
        if self.owned is None:
            entries, pick = self.keys, draws
        elif draws is None:
            entries, pick = self.owned.whole(), None
        else:
            entries, pick = self.owned.fetch(draws, drawn=True)
        if not self.masks:
            return Negatives(entries, pick)
        return Negatives(entries, pick, Own(index, self.samples) if draws is None else index[:, None] == draws)

    def whole(self) -> Annotated[Tensor, "n d"]:
        """All entries."""
        return self.keys if self.owned is None else self.owned.whole()

    def entry(self, index: Annotated[Tensor, "b"]) -> Annotated[Tensor, "b d"]:
        """The entries of these samples."""
        if self.owned is None:
            return self.keys[index]
        entries, place = self.owned.fetch(index)
        return entries[place]

    @update
    def store(self, index: Annotated[Tensor, "b"], key: Annotated[Tensor, "b d"]) -> None:
        """entry = normalise(momentum * entry + (1 - momentum) * normalise(key)), for the samples of the batch.

        Of several keys for one sample the last counts.
        """
        keys, place = (self.keys, index) if self.owned is None else (self.owned.rows, self.owned.place(index))
        fresh = functional.normalize(key.to(keys.dtype), dim=1)
        entry = self.momentum * keys[place] + (1 - self.momentum) * fresh
        # index_copy_ with a place twice may write either row on a GPU: both write the last one's.
        place, order = place.sort(stable=True)
        last = order[torch.searchsorted(place, place, right=True) - 1]
        write_rows(keys, place, functional.normalize(entry[last], dim=1), self.skipped)


def bank_of(node: nn.Module, name: str) -> MemoryBank:
    """The bank that another node's config names. Raises ValueError where it is none."""
    if not isinstance(node, MemoryBank):
        raise ValueError(f"'{name}' holds no entry for each sample: name a node of negatives.memory_bank")
    return node
