"""Where in its picture a view was cut out: its box, in the picture's own coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from graphssl.ports import Port, Signature

from .crop import Box
from .cut import RandomCrops
from .operations import Flip
from .view import Parameters, View

__all__ = ["Boxes", "PlacedCrops", "boxes_after", "boxes_drawn", "boxes_told", "check_place", "with_boxes"]

Boxes = Annotated[
    bool,
    Field(
        description="boxes are an output too, `x, boxes: augment(batch.image)`: of each view top, left, bottom, right, "
        "`b 4`, as shares of the picture's height and width; of a mirrored view left is beyond right"
    ),
]
SIDES = 4  # of a box
LARGEST = 2**16 - 1  # a share is written in two bytes
BYTE = 256


@dataclass(frozen=True)
class PlacedCrops:
    """Random crops that say where they were, in rows of pixels below each view, for `boxes_told`.

    Where pictures are cut as they are decoded, views are all that comes of it. size: with those rows, in pixels.
    """

    crops: RandomCrops

    @property
    def views(self) -> int:
        return self.crops.views

    @property
    def size(self) -> tuple[int, int]:
        y, x = self.crops.size
        return y + _rows(x), x

    @property
    def numbers(self) -> int:
        return self.crops.numbers

    def __call__(
        self, picture: Annotated[Tensor, "c h w"], uniform: Annotated[Tensor, "v k"]
    ) -> Annotated[Tensor, "v c y x"]:
        made = self.crops(picture, uniform)
        image, flip = (picture.shape[1], picture.shape[2]), uniform[:, -1] < self.crops.flip
        share = (_shares(self.crops.boxes(image, uniform), flip, image) * LARGEST).round().int()
        written = torch.stack((share // BYTE, share % BYTE), 2).flatten(1)
        v, c, _, x = made.shape
        rows = torch.zeros(v, _rows(x) * x, dtype=made.dtype)
        rows[:, : 2 * SIDES] = written
        below = rows.view(v, 1, -1, x).expand(-1, c, -1, -1).to(made.device)
        return torch.cat((made, below), 2)


def _rows(width: int) -> int:
    """Rows of pixels for two bytes a side."""
    return -(-2 * SIDES // width)


def boxes_told(view: Annotated[Tensor, "n c y x"], height: int) -> Annotated[Tensor, "n 4"]:
    """The boxes of `PlacedCrops`; height: of the views without them, in pixels."""
    written = view[:, 0, height:].flatten(1)[:, : 2 * SIDES].float()
    high, low = written.unflatten(1, (SIDES, 2)).unbind(2)
    share: Tensor = (high * BYTE + low) / LARGEST
    return share


def boxes_drawn(drawn: Parameters, image: tuple[int, int]) -> Annotated[Tensor, "n 4"]:
    """The boxes that were drawn; image: height and width of the pictures, in pixels."""
    return _shares(drawn.box, drawn.flip, image)


def boxes_after(box: Annotated[Tensor, "n 4"], drawn: Parameters, view: View) -> Annotated[Tensor, "n 4"]:
    """The boxes once the operations of a view have mirrored it."""
    for i, operation in view.active:
        if isinstance(operation, Flip):
            order = [0, 3, 2, 1] if operation.axis == "horizontal" else [2, 1, 0, 3]
            box = torch.where(drawn.drawn[i][0][:, None], box[:, order], box)
    return box


def _shares(box: Box, flip: Annotated[Tensor, "n"], image: tuple[int, int]) -> Annotated[Tensor, "n 4"]:
    h, w = image
    top, bottom = box.top / h, (box.top + box.height) / h
    left, right = box.left / w, (box.left + box.width) / w
    return torch.stack((top, torch.where(flip, right, left), bottom, torch.where(flip, left, right)), 1)


def check_place(views: Sequence[View]) -> None:
    """Raises ValueError for an operation after which a view is no box of its picture."""
    moving = dict.fromkeys(operation.use for view in views for _, operation in view.active if operation.moves)
    if moving:
        raise ValueError(f"boxes: after {' and '.join(moving)} a view is no box of its picture any more: leave it out")


def with_boxes(one: Signature, config: Any) -> Signature:
    """The ports of a node that makes families of views; where boxes are asked for, one of boxes for each family.

    A single family has no name by itself, and is called `views` then.
    """
    if not config.boxes:
        return one
    views = tuple(replace(port, name=port.name or "views") for port in one.outputs)
    names = ("boxes",) if len(views) == 1 else tuple(f"{port.name}_boxes" for port in views)
    boxes = (
        Port(name, "tensor", (("b", str(SIDES)),), family=True, beside=port.name)
        for name, port in zip(names, views, strict=True)
    )
    return replace(one, outputs=(*views, *boxes))
