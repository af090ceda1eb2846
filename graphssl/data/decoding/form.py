"""What a picture is when it is decoded: its channels, the type of its values, whether it is turned upright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

__all__ = ["ANY", "RGB", "TYPES", "BadImageError", "Form", "checked"]

TYPES = {"uint8": torch.uint8, "uint16": torch.uint16, "float32": torch.float32}


class BadImageError(Exception):
    """A file that is no readable picture: why, in one line."""


@dataclass(frozen=True)
class Form:
    """channels, dtype: of every picture. converts: what is something else becomes RGB bytes; without it, it is refused.

    upright: a picture is turned as its EXIF says.
    """

    channels: int = 3
    dtype: str = "uint8"
    converts: bool = True
    upright: bool = False

    @property
    def type(self) -> torch.dtype:
        return TYPES[self.dtype]

    def bytes(self, pixels: int) -> int:
        """Of a picture of so many pixels."""
        return self.channels * self.type.itemsize * pixels


RGB = Form()
ANY = Form(0, "", converts=False)  # as it is, whatever it is


def checked(picture: Annotated[Tensor, "c h w"], form: Form) -> Annotated[Tensor, "c h w"]:
    """The picture, if it is as the data says. Raises BadImageError where it is not, or holds what is no number."""
    dtype = str(picture.dtype).removeprefix("torch.")
    if form.channels and (len(picture), dtype) != (form.channels, form.dtype):
        wanted, found = (_words(c, d) for c, d in ((form.channels, form.dtype), (len(picture), dtype)))
        raise BadImageError(f"it has {found}, and the data says {wanted}")
    if picture.is_floating_point() and not bool(picture.isfinite().all()):
        raise BadImageError("some of its values are not finite")
    return picture


def _words(channels: int, dtype: str) -> str:
    return f"{channels} channel{'' if channels == 1 else 's'} of {dtype}"
