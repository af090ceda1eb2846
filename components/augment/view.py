"""What makes one view: the settings, the numbers drawn for each image, and the operations in their order."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from graphssl.component import NodeConfig
from graphssl.ports import scale_of

from .colour import normalise
from .crop import TRIES, Box, crop_resize, random_box
from .cut import CORNER, FLIP, RandomCrops
from .operation import Drawn, Normal, Operation, Planes
from .operations import AnyOperation

__all__ = ["Parameters", "RandomCrop", "View", "operate", "parameters", "render"]

Range = tuple[float, ...]  # two numbers
# In this order operations take their numbers, whatever order they are applied in, and others after them: without blur,
# or with grey before the jitter, all else is as with it.
FIRST = ("jitter", "grey", "blur", "solarize")


class RandomCrop(NodeConfig):
    """A random part of the image: ranges of the share of its area, and of its width over its height."""

    area: Range
    ratio: Range


class View(NodeConfig):
    """The settings of a view.

    size: height and width, y and x, in pixels. crop: None to take the whole image. flip: the probability, 0 to 1, that
    it is mirrored left to right as it is cropped. operations: what follows. mean, std: of the data, by channel.
    """

    size: tuple[int, int]
    crop: RandomCrop | None
    flip: float
    operations: tuple[AnyOperation, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def active(self) -> list[tuple[int, Operation]]:
        """The operations that change anything, with their places."""
        return [(i, operation) for i, operation in enumerate(self.operations) if not operation.idle]

    @property
    def columns(self) -> int:
        """Numbers that a view takes for each image."""
        return 2 * TRIES + CORNER + FLIP + sum(operation.numbers for operation in self.operations)

    def in_turn(self) -> list[int]:
        """The places of the operations, in the order in which they take their numbers."""
        rank = {name: i for i, name in enumerate(FIRST)}
        return sorted(range(len(self.operations)), key=lambda i: rank.get(self.operations[i].use, len(FIRST)))

    def cuts(self, count: int) -> RandomCrops | None:
        """What cuts so many of these views of a whole picture."""
        if self.crop is None:
            return None
        return RandomCrops(count, self.size, self.crop.area, self.crop.ratio, self.flip)


class Parameters(NamedTuple):
    """What was drawn for each image of a view: the box, whether it is mirrored, and what each operation has drawn."""

    box: Box
    flip: Tensor
    drawn: tuple[Drawn, ...]


def parameters(
    uniform: Annotated[Tensor, "b k"], view: View, image: tuple[int, int], channels: int, normal: Normal
) -> Parameters:
    """The parameters that `View.columns` uniform numbers stand for; image: its height and width in pixels."""
    area, ratio, corner, flip, *rest = uniform.split(
        (TRIES, TRIES, CORNER, FLIP, *(view.operations[i].numbers for i in view.in_turn())), 1
    )
    if view.crop is None:
        box = _whole(image, flip[:, 0])
    else:
        box = random_box(area, ratio, corner, image, view.crop.area, view.crop.ratio)
    own = dict(zip(view.in_turn(), rest, strict=True))
    drawn = (operation.draw(own[i], view.size, channels, normal) for i, operation in enumerate(view.operations))
    return Parameters(box, flip[:, 0] < view.flip, tuple(drawn))


def _whole(image: tuple[int, int], like: Annotated[Tensor, "b"]) -> Box:
    zero = torch.zeros_like(like)
    return Box(zero, zero, zero + image[0], zero + image[1])


def render(
    image: Annotated[Tensor, "b c h w"], drawn: Parameters, view: View, *, cut: bool = False
) -> Annotated[Tensor, "b c y x"]:
    """The view of each image, normalised; what has a probability of 0 costs nothing.

    cut: the images are crops already, mirrored where they are to be.
    """
    flip = drawn.flip if view.flip > 0 else None
    cropped = image / scale_of(image) if cut else crop_resize(image, drawn.box, flip, view.size)
    return normalise(operate(cropped.unbind(1), drawn, view), view.mean, view.std)


def operate(image: Planes, drawn: Parameters, view: View) -> Planes:
    """The operations, one after the other.

    Of pixels along one axis a compiler makes one loop over images, whose intermediate results stay in the cache.
    """
    flat = False
    for i, operation in view.active:
        if operation.spatial == flat:
            image = tuple(p.unflatten(1, view.size) if flat else p.flatten(1) for p in image)
            flat = not flat
        image = operation.apply(image, drawn.drawn[i], view.mean, view.std)
    return tuple(plane.unflatten(1, view.size) for plane in image) if flat else image
