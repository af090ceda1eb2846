"""Critics: scores of pairs. An objective makes a loss of them."""

from __future__ import annotations

from .bilinear import Bilinear
from .cosine import Cosine
from .dot import Dot

__all__ = ["Bilinear", "Cosine", "Dot"]
