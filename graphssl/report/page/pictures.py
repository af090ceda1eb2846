"""Pictures in a page, as a part of it."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from .html import Html, element

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["LARGEST", "data_uri", "picture"]

LARGEST = 1 << 18  # bytes of one picture
QUALITY = (90, 75, 50, 25)


def data_uri(image: Image, *, small: bool = False) -> str:
    """A picture as an address that holds it: as PNG, or where that is large as JPEG, not above `LARGEST` bytes.

    small: as JPEG also where that is shorter: of a picture that is one of many.
    """
    image = image.convert("RGB")
    kind, content = "png", _written(image, "PNG", optimize=True)
    if small and len(other := _written(image, "JPEG", quality=QUALITY[1])) < len(content):
        kind, content = "jpeg", other
    while len(content) > LARGEST:
        for quality in QUALITY:
            kind, content = "jpeg", _written(image, "JPEG", quality=quality)
            if len(content) <= LARGEST:
                break
        else:
            image = image.reduce(2)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _written(image: Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def picture(image: Image, alt: str, *, width: int | None = None, pixels: bool = False) -> Html:
    """An element. alt: what is to be seen. width: px on the page. pixels: whether they stay squares."""
    wide = width or image.width
    high = round(image.height * wide / image.width)
    return element(
        "img", src=data_uri(image), alt=alt, width=wide, height=high, class_="pixels" if pixels else None,
        loading="lazy",
    )  # fmt: skip
