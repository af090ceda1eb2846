"""Sources of negatives: entries that stand for other samples."""

from __future__ import annotations

from .in_batch import InBatch
from .labelled import Labelled
from .memory_bank import MemoryBank, bank_of
from .queue import Queue
from .shuffle import Shuffle

__all__ = ["InBatch", "Labelled", "MemoryBank", "Queue", "Shuffle", "bank_of"]
