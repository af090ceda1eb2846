"""Heads: what stands between an encoder and the loss, and is thrown away after training."""

from __future__ import annotations

from .decoder import Decoder
from .gaussian import GaussianHead
from .mlp import MLP
from .normalize import Normalize
from .prototypes import Prototypes
from .residual import Residual
from .sample import Sample
from .standardize import Standardize
from .whiten import Whiten

__all__ = ["MLP", "Decoder", "GaussianHead", "Normalize", "Prototypes", "Residual", "Sample", "Standardize", "Whiten"]
