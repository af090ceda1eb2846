"""What a node makes of each picture by itself, where pictures are decoded: before there is a batch."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

__all__ = ["Cut"]


class Cut(Protocol):
    """Cuts views out of one picture of any size. It is sent to the processes that read pictures, so it must pickle.

    views: how many. size: height and width of each, in pixels. numbers: how many random numbers a view takes.
    """

    @property
    def views(self) -> int: ...

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def numbers(self) -> int: ...

    def __call__(
        self, picture: Annotated[Tensor, "c h w"], uniform: Annotated[Tensor, "v k"]
    ) -> Annotated[Tensor, "v c y x"]:
        """The views, of the picture's type, a function of the picture and the numbers, uniform over 0 to 1, alone."""
        ...
