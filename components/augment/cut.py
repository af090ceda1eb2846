"""Random crops of one picture of any size, cut where it is decoded: torchvision's `resized_crop`, in its own pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from .crop import TRIES, Box, random_box

__all__ = ["RandomCrops", "resized_crop"]

CORNER, FLIP = 2, 1  # numbers of a view, after its candidates' areas and ratios


@dataclass(frozen=True)
class RandomCrops:
    """Views of a picture: random boxes as `RandomResizedCrop` draws them, resized, mirrored left to right by chance.

    size: height and width of a view, in pixels. areas, ratios: see `random_box`. flip: probability, 0 to 1.
    """

    views: int
    size: tuple[int, int]
    areas: tuple[float, ...]
    ratios: tuple[float, ...]
    flip: float

    @property
    def numbers(self) -> int:
        """Random numbers for a view."""
        return 2 * TRIES + CORNER + FLIP

    def boxes(self, image: tuple[int, int], uniform: Annotated[Tensor, "v k"]) -> Box:
        """The boxes, in whole pixels of a picture of this height and width."""
        area, ratio, corner, _ = uniform.split((TRIES, TRIES, CORNER, FLIP), 1)
        return random_box(area, ratio, corner, image, self.areas, self.ratios)

    def __call__(
        self, picture: Annotated[Tensor, "c h w"], uniform: Annotated[Tensor, "v k"]
    ) -> Annotated[Tensor, "v c y x"]:
        boxes = torch.stack(self.boxes((picture.shape[1], picture.shape[2]), uniform), 1).int().tolist()
        views = [resized_crop(picture, box, self.size) for box in boxes]
        mirrored = (uniform[:, -1] < self.flip).tolist()
        return torch.stack([view.flip(2) if flip else view for view, flip in zip(views, mirrored, strict=True)])


def resized_crop(
    picture: Annotated[Tensor, "c h w"], box: tuple[int, int, int, int] | list[int], size: tuple[int, int]
) -> Annotated[Tensor, "c y x"]:
    """A box (top, left, height, width) of a picture, resized (bilinear, antialiased), of the picture's type.

    Whole numbers are rounded; uint8 on a CPU is torchvision's `resized_crop` to the last bit.
    """
    top, left, height, width = box
    part = picture[None, :, top : top + height, left : left + width]
    if (height, width) == size:
        return part[0]
    if part.dtype == torch.uint8 and part.device.type == "cpu":
        part = part.contiguous(memory_format=torch.channels_last)  # as torch knows it fast
        return functional.interpolate(part, size, mode="bilinear", antialias=True)[0]
    made = functional.interpolate(part.float(), size, mode="bilinear", antialias=True)[0]
    return made.round().to(part.dtype) if not part.dtype.is_floating_point else made
