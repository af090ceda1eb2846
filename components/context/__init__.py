"""Context: maps and grids of positions, what a position may see of the others, and how they become one vector."""

from __future__ import annotations

from .entries import Entries
from .flatten import Flatten
from .gru import GRU
from .halves import Halves
from .join import Join
from .masked_conv import MaskedConv
from .offset import Offset
from .pick import Pick
from .pool import Pool
from .positions import Positions

__all__ = ["GRU", "Entries", "Flatten", "Halves", "Join", "MaskedConv", "Offset", "Pick", "Pool", "Positions"]
