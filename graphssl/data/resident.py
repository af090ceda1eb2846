"""A split that is kept decoded, in memory or on the device: a batch is one gather."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .batch import BadImages, Batch, Cutting, Pictures
from .fit import Fit
from .kept import Rows
from .order import batches, permutation
from .transfer import to_device
from .workers import Workers


class Resident:
    """A split of pictures of one size, as one tensor. On the device nothing crosses to it but each epoch's order.

    image: uint8, `n 3 h w`; label: int64, `n`, on the CPU. fit: how pictures are prepared for evaluation.
    index: int64, `n`, on the CPU: positions before bad pictures were dropped; default 0 to n - 1.
    device: where the batches go. files: whose order it has; default: any order of its own.
    """

    def __init__(
        self,
        image: Tensor,
        label: Tensor,
        fit: Fit,
        device: torch.device,
        index: Tensor | None = None,
        files: Pictures | None = None,
    ) -> None:
        self.samples = len(label)
        self._fit, self._files, self._kept = fit, files, index
        self.labelled, self.label = torch.nonzero(label >= 0).flatten(), label
        self.device = device
        self._image = image
        self.index = index = torch.arange(self.samples) if index is None else index
        self._index, self._label = index.to(image.device), label.to(image.device)
        self._workers: Workers | None = None
        self.source: Pictures = Rows(image, label) if files is None else files
        self._crosses = image.device.type != device.type

    def order(self, seed: int, epoch: int) -> Tensor:
        """See `Split.order`."""
        if self._files is not None:
            return self._files.order(seed, epoch, self._kept)
        return permutation(self.samples, seed, epoch)

    def read(self, order: Tensor, batch: int, *, full: bool, cutting: Cutting | None = None) -> Iterator[Batch]:
        """See `Split.read`. Nothing here can be unreadable, so `full` changes nothing; and training takes all whole."""
        if cutting and cutting.cuts:
            self._workers = self._workers or self._one_by_one()
            return self._workers.read(order, batch, full=full, cutting=cutting)
        home = self._image.device
        # Pinned, or else the host would wait for the training.
        order = order.pin_memory().to(home, non_blocking=True) if home.type == "cuda" else order.to(home)
        gathered = self._gathered(order, batch)
        there = to_device(gathered, self.device) if self._crosses else gathered
        return there if cutting else (found._replace(image=self._fit(found.image)) for found in there)

    def _one_by_one(self) -> Workers:
        """The same behind workers, for views that can only be made so."""
        rows, whole = Rows(self._image.cpu(), self._label.cpu()), Fit(self._image.shape[2], self._image.shape[3])
        return Workers(rows, whole, self.device, None, BadImages(), skip=False, index=self._index.cpu())

    def _gathered(self, order: Tensor, batch: int) -> Iterator[Batch]:
        for positions in batches(order, batch):
            image, index, label = (self._gather(v, positions) for v in (self._image, self._index, self._label))
            yield Batch(image, index, label)

    def _gather(self, values: Tensor, positions: Tensor) -> Tensor:
        if not self._crosses:
            return values.index_select(0, positions)
        shape = (len(positions), *values.shape[1:])
        pinned = torch.empty(shape, dtype=values.dtype, pin_memory=self.device.type == "cuda")
        return torch.index_select(values, 0, positions, out=pinned)

    def close(self) -> None:
        """Ends the workers, if any."""
        if self._workers is not None:
            self._workers.close()
