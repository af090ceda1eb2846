"""Features of pictures that a user brings: of which files and things in memory, and what is made of them."""

from __future__ import annotations

from .embed import Embedded, embed_images, embed_to_file
from .given import Images
from .neighbours import Neighbour, Neighbours, Query, find_neighbours

__all__ = [
    "Embedded", "Images", "Neighbour", "Neighbours", "Query", "embed_images", "embed_to_file", "find_neighbours",
]  # fmt: skip
