"""Critics: scores of pairs. An objective makes a loss of them."""

from __future__ import annotations

from .bilinear import Bilinear
from .clip import Clip
from .concat import Concat
from .cosine import Cosine
from .dot import Dot
from .euclidean import Euclidean
from .js import JS
from .separable import Separable

__all__ = ["JS", "Bilinear", "Clip", "Concat", "Cosine", "Dot", "Euclidean", "Separable"]
