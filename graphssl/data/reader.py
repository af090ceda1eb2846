"""What runs in a worker process: positions in, decoded pictures out, and what to do about bad ones."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Set

import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from .decode import BadImageError, decode
from .folder import Files

Failures = list[tuple[int, str]]  # position, reason
Read = tuple[Tensor, Tensor, Tensor, Failures]  # image `b 3 h w`, position `b`, label `b`, what could not be read

SUBSTITUTES = 64


class Reader(Dataset[Read]):
    """Reads the files at the positions of a batch. It raises nothing for a bad picture, but reports it.

    skip: a picture that cannot be read is left out; without it the reading ends there.
    full: it is replaced, by the next file of the split that can be read and is not in the batch, or if none of
    the next 64 will do, by a picture of the batch: a choice that depends on the batch and the files alone.
    """

    def __init__(self, files: Files, size: int, slots: int, *, skip: bool, full: bool) -> None:
        self.files, self.size, self.skip, self.full = files, size, skip, full
        # By worker its process and the position it stands at, so that a death can be explained.
        self.standing = torch.full((slots, 2), -1).share_memory_()

    def __getitems__(self, positions: list[int]) -> Read:
        image = torch.empty((len(positions), 3, self.size, self.size), dtype=torch.uint8)
        shown: list[int] = []
        failures: Failures = []
        taken = set(positions)
        for position in positions:
            found = self._first([position], image[len(shown)], failures)
            if found is None and not self.skip:
                break
            if found is None and self.full:
                found = self._first(self._after(position, taken), image[len(shown)], failures)
            if found is not None:
                shown.append(found)
                taken.add(found)
        if self.full and self.skip and shown:
            self._repeat(image, shown)
        position_b = torch.tensor(shown, dtype=torch.int64)
        return image[: len(shown)], position_b, self.files.label[position_b], failures

    def _after(self, position: int, taken: Set[int]) -> Iterator[int]:
        n = len(self.files.paths)
        following = ((position + k) % n for k in range(1, min(SUBSTITUTES, n - 1) + 1))
        return (p for p in following if p not in taken)

    def _first(self, candidates: Iterable[int], out: Tensor, failures: Failures) -> int | None:
        """The first of the candidates that can be read, decoded into `out`."""
        for position in candidates:
            self._stand(position)
            try:
                out.copy_(decode(self.files.paths[position], self.size))
            except BadImageError as error:
                failures.append((position, str(error)))
            else:
                return position
        return None

    def _stand(self, position: int) -> None:
        worker = get_worker_info()
        slot = self.standing[worker.id if worker else 0]
        slot[0], slot[1] = os.getpid(), position

    @staticmethod
    def _repeat(image: Tensor, shown: list[int]) -> None:
        good = len(shown)
        for slot in range(good, len(image)):
            image[slot] = image[slot - good]
            shown.append(shown[slot - good])
