"""Priors: how far embeddings are from a distribution that is asked of them, one number each."""

from __future__ import annotations

from .adversary import Adversary
from .kl import KL

__all__ = ["KL", "Adversary"]
