"""What a component is written against: the kinds of values, and the ports that take and give them."""

from __future__ import annotations

from .cut import Cut
from .kinds import AXES, KINDS, Gaussian, In, Negatives, Scores
from .owned import Owned
from .pairs import Own, Pairs, whole
from .pieces import PIECE, exact, largest, lengths
from .signature import FOLDED, GRID, NO_GRADIENT, Axes, Port, PortError, Signature, signature_of
from .sizes import DataFacts, Sizes, Unbound, scale_of
from .values import detached, each_tensor, flattened, held, joined, outlasting, parted, tensors_of, unflattened

__all__ = [
    "AXES", "FOLDED", "GRID", "KINDS", "NO_GRADIENT", "PIECE", "Axes", "Cut", "DataFacts", "Gaussian", "In",
    "Negatives", "Own", "Owned", "Pairs", "Port", "PortError", "Scores", "Signature", "Sizes", "Unbound",
    "detached", "each_tensor", "exact", "flattened", "held", "joined", "largest", "lengths", "outlasting", "parted",
    "scale_of", "signature_of", "tensors_of", "unflattened", "whole",
]  # fmt: skip

for _function in (detached, flattened, held, joined, outlasting, parted, unflattened):
    _function.__module__ = __name__  # as a step's code names them, wherever in this room they stand
