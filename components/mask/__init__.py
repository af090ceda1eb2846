"""Masks: which patches of a picture are kept, and which are hidden and to be told from them."""

from __future__ import annotations

from .blocks import Block
from .multi_block import MultiBlock
from .random import Random

__all__ = ["Block", "MultiBlock", "Random"]
