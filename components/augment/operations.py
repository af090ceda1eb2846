"""The operations that a view may be made of, by name; a new one is a class and its place here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .jitter import Jitter
from .pixels import Grey, Invert, Posterize, Solarize
from .place import Flip, Rotate, Translate
from .sharp import Blur, Sharpen
from .spoil import Erase, Noise
from .tone import AutoContrast, Equalize

__all__ = [
    "AnyOperation", "AutoContrast", "Blur", "Equalize", "Erase", "Flip", "Grey", "Invert", "Jitter", "Noise",
    "Operations", "Posterize", "Rotate", "Sharpen", "Solarize", "Translate",
]  # fmt: skip

Operations = (
    Flip | Jitter | Grey | Blur | Solarize | Rotate | Translate | Erase | Noise | Posterize | Equalize | AutoContrast
    | Sharpen | Invert
)  # fmt: skip
AnyOperation = Annotated[Operations, Field(discriminator="use")]
