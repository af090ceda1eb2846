"""Features of pictures that a user brings: of which files and things in memory, and what is made of them."""

from __future__ import annotations

from .embed import Embedded, embed_images, embed_to_file
from .given import Images

__all__ = ["Embedded", "Images", "embed_images", "embed_to_file"]
