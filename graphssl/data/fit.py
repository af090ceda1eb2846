"""A picture as evaluations see it: scaled, the centre cut out, nothing distorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Fit"]


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
        if covering != tuple(image.shape[-2:]):
            image = resized(image, covering)
        top, left = (round((side - own) / 2) for side, own in zip(covering, (self.height, self.width), strict=True))
        return image[..., top : top + self.height, left : left + self.width]

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
