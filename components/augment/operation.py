"""What an operation on images is: its settings, the numbers that it takes for each image, what it makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from graphssl.component import NodeConfig

__all__ = ["Drawn", "Normal", "Operation", "Planes", "Probability", "between", "per_image"]

Planes = tuple[Tensor, ...]  # the channels of images, each `b h w`, or `b p` for what looks at pixels alone; 0 to 1
Drawn = tuple[Tensor, ...]  # what was drawn for each image, each entry `b ...`
Normal = Callable[[tuple[int, ...]], Tensor]  # standard normal numbers, `b` and then this shape
Probability = Annotated[float, Field(ge=0, le=1)]


class Operation(NodeConfig):
    """Base of the operations. Subclasses have `use`, their name, and settings with defaults.

    numbers: how many uniform numbers an image takes, the first of which says whether it is chosen. entries: how many
    entries what it draws has, the first of which says so: bool, `b`. spatial: it looks at where pixels are; without it
    planes may be flat, or have columns before rows. moves: after it a view is no box of its picture. colours: it is for
    red, green and blue.
    """

    if TYPE_CHECKING:
        use: str

    numbers: ClassVar[int] = 1
    entries: ClassVar[int] = 1
    spatial: ClassVar[bool] = False
    moves: ClassVar[bool] = False

    p: Probability = Field(1.0, description="probability that an image is chosen")

    @property
    def colours(self) -> bool:
        """Whether it is for red, green and blue alone."""
        return False

    @property
    def idle(self) -> bool:
        """Whether it changes no image."""
        return self.p == 0

    def too_large(self, size: tuple[int, int]) -> str | None:
        """Why it cannot be done to a view of this height and width, in pixels; None where it can."""
        return None

    def draw(self, uniform: Annotated[Tensor, "b k"], size: tuple[int, int], channels: int, normal: Normal) -> Drawn:
        """What `numbers` uniform numbers stand for. size: height and width of the images, in pixels."""
        return (uniform[:, 0] < self.p,)

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        """The chosen images changed, the others as they are. mean, std: of the data, by channel, where white is 1."""
        raise NotImplementedError


def between(span: Sequence[float], uniform: Annotated[Tensor, "b"]) -> Annotated[Tensor, "b"]:
    """Numbers from the smallest to the largest of a range, for numbers from 0 to 1."""
    low, high = span
    return low + (high - low) * uniform


def per_image(value: Annotated[Tensor, "b"], plane: Tensor) -> Tensor:
    """With an axis of 1 for each of the plane's others."""
    return value.view(-1, *(1,) * (plane.dim() - 1))
