"""Sources of negatives: entries that stand for other samples."""

from __future__ import annotations

from .in_batch import InBatch
from .memory_bank import MemoryBank
from .queue import Queue

__all__ = ["InBatch", "MemoryBank", "Queue"]
