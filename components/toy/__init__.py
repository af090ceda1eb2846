"""Toy problems whose answers are known: normal data, normal noise, an unnormalised density."""

from __future__ import annotations

from .density import LogRatio
from .normal import Noise, Normal

__all__ = ["LogRatio", "Noise", "Normal"]
