"""A picture as evaluations see it: scaled, the centre cut out, nothing distorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Fit"]

MOST = 1 << 26  # pixels of a picture that is scaled: beyond, it is a strip of which the middle is seen


@dataclass(frozen=True)
class Fit:
    """Scales pictures (bilinear, antialiased) until they just cover a size, and cuts out the centre.

    height, width: of what is cut out, in pixels. resize: the shorter side of the size to cover; default: that of the
    cut. So `resize: 256` of 224 x 224 is torchvision's Resize(256) and CenterCrop(224).
    """

    height: int
    width: int
    resize: int | None = None

    def __call__(self, image: Annotated[Tensor, "... c h w"]) -> Annotated[Tensor, "... c y x"]:
        """The pictures, of the type that they have; of whole numbers rounded."""
        covering = self._covering(image.shape[-2], image.shape[-1])
        if covering[0] * covering[1] > MOST:
            image = self._middle(image)
            covering = self._covering(image.shape[-2], image.shape[-1])
        if covering != tuple(image.shape[-2:]):
            image = resized(image, covering)
        top, left = (round((side - own) / 2) for side, own in zip(covering, (self.height, self.width), strict=True))
        return image[..., top : top + self.height, left : left + self.width]

    def _middle(self, image: Annotated[Tensor, "... c h w"]) -> Tensor:
        """What of a long strip can be seen in the cut, and as much again on both sides: whole, it would fill memory."""
        h, w = image.shape[-2:]
        height, width = self.covered
        rows, columns = _seen(h, w, height, width), _seen(w, h, width, height)
        top, left = (h - rows) // 2, (w - columns) // 2
        return image[..., top : top + rows, left : left + columns]

    @property
    def covered(self) -> tuple[int, int]:
        """Height and width of what a picture is scaled to cover."""
        short = min(self.height, self.width)
        resize = short if self.resize is None else self.resize
        return resize * self.height // short, resize * self.width // short

    def _covering(self, h: int, w: int) -> tuple[int, int]:
        """Height and width of a picture when it is scaled; rounded as torchvision's Resize does."""
        height, width = self.covered
        if w * height >= h * width:
            return height, max(w * height // h, width)
        return max(h * width // w, height), width


def _seen(side: int, other: int, height: int, width: int) -> int:
    """How much of a side is kept: three times what the cut shows, with the same middle."""
    wanted = 3 * -(-other * height // width)
    return min(wanted + (side - wanted) % 2, side)


def resized(image: Annotated[Tensor, "... c h w"], size: tuple[int, int]) -> Annotated[Tensor, "... c y x"]:
    """Of the type that it has: a CPU knows bytes, a GPU does not."""
    batch = image if image.ndim == 4 else image[None]
    if image.dtype == torch.uint8 and image.device.type == "cpu":
        batch = batch.contiguous(memory_format=torch.channels_last)  # which is several times as fast
        made = functional.interpolate(batch, size, mode="bilinear", antialias=True)
    else:
        made = functional.interpolate(batch.float(), size, mode="bilinear", antialias=True)
        made = made if image.dtype.is_floating_point else made.round().to(image.dtype)
    return made if image.ndim == 4 else made[0]
