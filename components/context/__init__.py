"""Context: maps and grids of positions, what a position may see of the others, and how they become one vector."""

from __future__ import annotations

from .cells import Cells
from .entries import Entries
from .flatten import Flatten
from .gather import Gather
from .gru import GRU
from .halves import Halves
from .join import Join
from .masked_conv import MaskedConv
from .match import Correspondence, Match
from .mean import Mean
from .nearest import Nearest
from .offset import Offset
from .pick import Pick
from .pool import Pool
from .positions import Positions
from .propagate import Propagate
from .regions import Regions, Seen
from .take import Take
from .unpatchify import Unpatchify

__all__ = [
    "GRU", "Cells", "Correspondence", "Entries", "Flatten", "Gather", "Halves", "Join", "MaskedConv", "Match", "Mean",
    "Nearest", "Offset", "Pick", "Pool", "Positions", "Propagate", "Regions", "Seen", "Take", "Unpatchify",
]  # fmt: skip
