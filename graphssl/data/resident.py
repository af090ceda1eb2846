"""A split that is kept decoded, in memory or on the device: a batch is one gather."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .batch import Batch, Pictures
from .order import batches, permutation
from .transfer import to_device


class Resident:
    """A split as one tensor. Where it lives on the device, nothing crosses to it but each epoch's order.

    image: uint8, `n 3 h w`; label: int64, `n`, on the CPU.
    index: int64, `n`, on the CPU: positions before bad pictures were dropped; default 0 to n - 1.
    device: where the batches go. files: whose order it has; default: any order of its own.
    """

    def __init__(
        self,
        image: Tensor,
        label: Tensor,
        device: torch.device,
        index: Tensor | None = None,
        files: Pictures | None = None,
    ) -> None:
        self.samples = len(label)
        self._files, self._kept = files, index
        self.labelled = torch.nonzero(label >= 0).flatten()
        self.device = device
        self._image = image
        index = torch.arange(self.samples) if index is None else index
        self._index, self._label = index.to(image.device), label.to(image.device)
        self._crosses = image.device.type != device.type

    def order(self, seed: int, epoch: int) -> Tensor:
        """See `Split.order`."""
        if self._files is not None:
            return self._files.order(seed, epoch, self._kept)
        return permutation(self.samples, seed, epoch)

    def read(self, order: Tensor, batch: int, *, full: bool) -> Iterator[Batch]:
        """See `Split.read`. Nothing here can be unreadable, so `full` changes nothing."""
        home = self._image.device
        # Pinned, or else the host would wait for the training.
        order = order.pin_memory().to(home, non_blocking=True) if home.type == "cuda" else order.to(home)
        gathered = self._gathered(order, batch)
        return to_device(gathered, self.device) if self._crosses else gathered

    def _gathered(self, order: Tensor, batch: int) -> Iterator[Batch]:
        for positions in batches(order, batch):
            yield Batch(*(self._gather(values, positions) for values in (self._image, self._index, self._label)))

    def _gather(self, values: Tensor, positions: Tensor) -> Tensor:
        if not self._crosses:
            return values.index_select(0, positions)
        shape = (len(positions), *values.shape[1:])
        pinned = torch.empty(shape, dtype=values.dtype, pin_memory=self.device.type == "cuda")
        return torch.index_select(values, 0, positions, out=pinned)

    def close(self) -> None:
        """Nothing runs in the background."""
