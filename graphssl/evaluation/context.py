"""What an evaluation has to work with: the module, the data, and the features of both splits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import nn

from ..component import DataFacts
from ..world import concatenated
from .embedding import embed
from .labelled import Labelled, Splits

if TYPE_CHECKING:
    from ..data import Batch, Datasets

__all__ = ["Context"]


@dataclass(frozen=True)
class Context:
    """A module that gives features of plain images, with the weights it has now, and the data to judge it on.

    size: height and width of the images that it takes. batch: images embedded at a time. dtype: of autocast, None for
    float32.
    """

    module: nn.Module
    data: Datasets
    facts: DataFacts
    size: tuple[int, int] | None
    batch: int
    device: torch.device
    dtype: torch.dtype | None = None

    @cached_property
    def features(self) -> Splits:
        """Of both splits, made when they are first asked for. Not to be written to: all evaluations have the same."""
        reference = self._embed(self.data.reference(self.batch))
        return Splits(reference, self._embed(self.data.test(self.batch)), self.facts.classes)

    def anew(self) -> Context:
        """The same without features, which other weights have made."""
        return replace(self)

    def _embed(self, batches: Iterable[Batch]) -> Labelled:
        mean, std = self.facts.mean, self.facts.std
        found = embed(self.module, batches, mean, std, self.size, self.device, self.dtype)
        return Labelled(*map(concatenated, found))  # each process has embedded its part
