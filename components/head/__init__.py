"""Heads: what stands between an encoder and the loss, and is thrown away after training."""

from __future__ import annotations

from .mlp import MLP

__all__ = ["MLP"]
