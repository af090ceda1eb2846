"""What runs in a worker process: positions in, decoded pictures out, and what to do about bad ones."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from .batch import Pictures
from .decode import BadImageError, picture
from .nvjpeg import is_for_device

Failures = list[tuple[int, str]]  # position, reason
Wanted = list[list[int]]  # the positions of a batch, and of one that comes soon

SUBSTITUTES = 64


class Read(NamedTuple):
    """What was read of a batch of b samples, of which m are JPEG files that the device will decode.

    image: uint8 `b-m 3 s s`, those that are decoded. position, label: int64 `b`. failures: what could not be read.
    coded: uint8, the files one after the other; lengths, slots: int64 `m`, their bytes, their places in the batch.
    """

    image: Tensor
    position: Tensor
    label: Tensor
    failures: Failures
    coded: Tensor
    lengths: Tensor
    slots: Tensor

    def files(self) -> Sequence[Tensor]:
        """The JPEG files that are not decoded."""
        return torch.split(self.coded, self.lengths.tolist())


class Reader(Dataset[Read]):
    """Reads the pictures at the positions of a batch. It raises nothing for a bad picture, but reports it.

    skip: a picture that cannot be read is left out; without it the reading ends there.
    full: it is replaced, by the next file of the split that can be read and is not in the batch, or if none of
    the next 64 will do, by a picture of the batch: a choice that depends on the batch and the files alone.
    coded: JPEG files that a GPU decodes are handed over as they are.
    """

    def __init__(self, files: Pictures, size: int, slots: int, *, skip: bool, full: bool, coded: bool = False) -> None:
        self.files, self.size, self.skip, self.full, self.coded = files, size, skip, full, coded
        # By worker its process and the position it stands at, so that a death can be explained.
        self.standing = torch.full((slots, 2), -1).share_memory_()

    def __getitems__(self, wanted: Wanted) -> Read:
        positions, soon = wanted
        self.files.expect(positions)
        self.files.expect(soon)
        found: list[tuple[int, Tensor]] = []  # position; a picture `3 s s` or a file `n`
        failures: Failures = []
        taken = set(positions)
        for position in positions:
            one = self._first([position], failures)
            if one is None and not self.skip:
                break
            if one is None and self.full:
                one = self._first(self._after(position, taken), failures)
            if one is not None:
                found.append(one)
                taken.add(one[0])
        if self.full and self.skip and found:
            found = [found[i % len(found)] for i in range(len(positions))]
        return self._joined(found, failures)

    def _joined(self, found: Sequence[tuple[int, Tensor]], failures: Failures) -> Read:
        position_b = torch.tensor([position for position, _ in found], dtype=torch.int64)
        images = [values for _, values in found if values.ndim == 3]
        files = [(slot, values) for slot, (_, values) in enumerate(found) if values.ndim == 1]
        no_image, no_file = (torch.empty(n, dtype=torch.uint8) for n in ((0, 3, self.size, self.size), (0,)))
        return Read(
            torch.stack(images) if images else no_image,
            position_b, self.files.label[position_b], failures,
            torch.cat([file for _, file in files]) if files else no_file,
            torch.tensor([len(file) for _, file in files], dtype=torch.int64),
            torch.tensor([slot for slot, _ in files], dtype=torch.int64),
        )  # fmt: skip

    def _after(self, position: int, taken: Set[int]) -> Iterator[int]:
        n = len(self.files.paths)
        following = ((position + k) % n for k in range(1, min(SUBSTITUTES, n - 1) + 1))
        return (p for p in following if p not in taken)

    def _first(self, candidates: Iterable[int], failures: Failures) -> tuple[int, Tensor] | None:
        """The first of the candidates that can be read."""
        for position in candidates:
            self._stand(position)
            try:
                return position, self._read(position)
            except BadImageError as error:
                failures.append((position, str(error)))
        return None

    def _read(self, position: int) -> Tensor:
        data = self.files.read(position)
        if self.coded and is_for_device(data):
            return torch.frombuffer(bytearray(data), dtype=torch.uint8)
        return picture(data, self.size)

    def _stand(self, position: int) -> None:
        worker = get_worker_info()
        slot = self.standing[worker.id if worker else 0]
        slot[0], slot[1] = os.getpid(), position
