"""The training split as epochs of batches, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import RunError
from ..graph import spec
from ..ports import Cut
from ..world import World, current
from .batch import Batch, Cutting, Split, WholeBatch

__all__ = ["Stream"]


class Stream:
    """The training split as epochs of batches in an order that depends on (seed, epoch) alone.

    samples: how many there are to train on. steps: batches in an epoch. Of each batch a process gets its part; a last
    one that is short, where that is kept, all processes get whole, a `WholeBatch`.
    """

    def __init__(self, source: Split, data: spec.Data, seed: int, accumulate: int = 1) -> None:
        self.samples = source.samples
        self._source, self._batch, self._seed = source, data.batch, seed
        self._cutting = Cutting(seed=seed)
        if data.last == "keep":
            self.steps = -(-self.samples // data.batch)
        else:
            self.steps = self.samples // (data.batch * accumulate) * accumulate
        if self.steps == 0:
            raise RunError(_no_step(data, self.samples, accumulate))

    def cut(self, cuts: tuple[tuple[Cut, ...], ...], image: bool) -> None:
        """From now on batches have what these cuts make of each picture. image: and whole pictures too."""
        self._cutting = replace(self._cutting, cuts=cuts, image=image)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start`; those before it are neither decoded nor gathered."""
        order = self._source.order(self._seed, epoch)[start * self._batch : self.steps * self._batch]
        cutting, world = replace(self._cutting, epoch=epoch, first=start), current()
        if world.size == 1:
            return self._source.read(order, self._batch, full=True, cutting=cutting)
        return self._parts(order, cutting, world)

    def _parts(self, order: Tensor, cutting: Cutting, world: World) -> Iterator[Batch]:
        """This process's part of each batch, and all of a short last one."""
        whole = len(order) // self._batch
        every = order[: whole * self._batch].view(whole, self._batch)
        own = every[:, world.part(self._batch)]
        part = replace(cutting, part=(world.rank, world.size), whole=every)
        if whole:
            yield from self._source.read(own.flatten(), own.shape[1], full=True, cutting=part)
        rest, after = order[whole * self._batch :], replace(cutting, first=cutting.first + whole)
        if len(rest):
            yield from (WholeBatch(*b) for b in self._source.read(rest, len(rest), full=True, cutting=after))

    def first(self, n: int) -> Batch | None:
        """The first n samples that can be read, to look at."""
        order = torch.arange(min(n, self.samples))
        return next(self._source.read(order, n, full=False, cutting=self._cutting), None)


def _no_step(data: spec.Data, samples: int, accumulate: int) -> str:
    if samples == 0:
        return f"'{data.use}' has no training picture that can be read"
    times = f" x {accumulate} (train.accumulate)" if accumulate > 1 else ""
    return (
        f"an epoch has no step: data.batch = {data.batch:,}{times} is more than the {samples:,} training "
        f"samples of '{data.use}'. Take a smaller batch, or `data.last: keep`"
    )
