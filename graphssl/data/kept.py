"""Pictures that are decoded once and kept, each at its own size, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from .batch import Pictures, Sample, is_described
from .order import permutation

__all__ = ["Keeping", "Kept", "Remaining", "Rows"]


class Kept:
    """Pictures by position. pixels: `h w c` after `h w c`; ends: int64, `n + 1`; sides: heights and widths."""

    def __init__(self, pixels: Tensor, ends: Tensor, sides: Annotated[Tensor, "n 2"]) -> None:
        self._pixels, self._ends, self._sides = pixels, ends, sides

    def __len__(self) -> int:
        return len(self._sides)

    def __getitem__(self, position: int) -> Annotated[Tensor, "c h w"]:
        start, end = self._ends[position : position + 2].tolist()
        h, w = self._sides[position].tolist()
        return self._pixels[start:end].view(h, w, -1).permute(2, 0, 1)

    @property
    def bytes(self) -> int:
        """How much memory they take."""
        return self._pixels.nbytes


class Keeping:
    """Takes pictures as they come, into memory that grows. expected: bytes, of all of them."""

    def __init__(self, expected: int, dtype: torch.dtype = torch.uint8) -> None:
        self._pixels = torch.empty(max(expected // dtype.itemsize, 1), dtype=dtype)
        self._ends, self._sides = [0], list[tuple[int, int]]()

    def take(self, pictures: Sequence[Annotated[Tensor, "c h w"]]) -> None:
        for picture in pictures:
            start, end = self._ends[-1], self._ends[-1] + picture.numel()
            if end > len(self._pixels):
                more = torch.empty(max(end, len(self._pixels) * 5 // 4), dtype=self._pixels.dtype)
                more[:start] = self._pixels[:start]
                self._pixels = more
            self._pixels[start:end].view(*picture.shape[1:], -1).copy_(picture.permute(1, 2, 0))
            self._ends.append(end)
            self._sides.append((picture.shape[1], picture.shape[2]))

    def kept(self) -> Kept:
        sides = torch.tensor(self._sides, dtype=torch.int64).view(-1, 2)
        return Kept(self._pixels[: self._ends[-1]], torch.tensor(self._ends, dtype=torch.int64), sides)


class Rows:
    """The images of a split that came as one array, as `Pictures`: they are decoded, and have no names but numbers."""

    fingerprint = ""
    described, steady = True, True

    def __init__(self, image: Annotated[Tensor, "n c h w"], label: Annotated[Tensor, "n"]) -> None:
        self._image, self.label = image, label

    @property
    def paths(self) -> Rows:
        """Their names, by position."""
        return self

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, position: int) -> str:
        return f"image {position}"

    def sample(self, position: int) -> Sample:
        """See `Pictures.sample`."""
        return Sample(self._image[position], int(self.label[position]))

    def sizes_and_times(self, positions: Sequence[int]) -> Tensor:
        """See `traces`: all are of one size, and of no time."""
        return torch.tensor([[self._image[0].nbytes], [0]]).expand(2, len(positions))

    def expect(self, positions: Sequence[int]) -> None:
        """See `Pictures.expect`."""

    def order(self, seed: int, epoch: int, kept: Tensor | None = None) -> Tensor:
        """See `Pictures.order`."""
        return permutation(len(self) if kept is None else len(kept), seed, epoch)

    def close(self) -> None:
        """See `Pictures.close`."""


class Remaining:
    """The pictures of a split of which some could be read: `Pictures`, by their place in index, int64 `n`.

    label: int64, `n`, theirs.
    """

    def __init__(self, files: Pictures, index: Tensor, label: Tensor) -> None:
        self._files, self._index, self.source = files, index, files
        self.label, self.fingerprint, self.described = label, files.fingerprint, is_described(files)

    @property
    def paths(self) -> Remaining:
        """Their names, by place."""
        return self

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, position: int) -> str:
        return self._files.paths[int(self._index[position])]

    def sample(self, position: int) -> Sample:
        """See `Pictures.sample`."""
        return self._files.sample(int(self._index[position]))

    def expect(self, positions: Sequence[int]) -> None:
        """See `Pictures.expect`: what is decoded is there."""

    def order(self, seed: int, epoch: int, kept: Tensor | None = None) -> Tensor:
        """See `Pictures.order`."""
        return self._files.order(seed, epoch, self._index if kept is None else self._index[kept])

    def close(self) -> None:
        """See `Pictures.close`."""
        self._files.close()
