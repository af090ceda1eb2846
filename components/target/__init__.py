"""Targets: slow copies of nodes, which give keys without a gradient."""

from __future__ import annotations

from .ema import EMA

__all__ = ["EMA"]
