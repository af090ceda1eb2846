"""Targets: what is learnt towards, without a gradient: slow copies of nodes, codes, neighbours, entries of a bank."""

from __future__ import annotations

from .centre import Centre
from .clusters import Clustered, Clusters
from .colour_bins import ColourBins
from .ema import EMA
from .entry import Entry
from .groups import Assigned, Groups
from .hog import HOG
from .nearest import Nearest
from .pixels import Pixels
from .rarity import Rarity
from .sinkhorn import Sinkhorn

__all__ = [
    "EMA", "HOG", "Assigned", "Centre", "Clustered", "Clusters", "ColourBins", "Entry", "Groups", "Nearest", "Pixels",
    "Rarity", "Sinkhorn",
]  # fmt: skip
