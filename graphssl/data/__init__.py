"""Data sets and their batches: `facts` before anything is read, then `open_data`. `write_shards` makes shards."""

from __future__ import annotations

from .batch import BadImages, Batch, WholeBatch
from .known import facts
from .open import open_data
from .opened import Datasets
from .own.registry import DatasetConfig, Facts, dataset
from .shards.write import index_shards, write_shards
from .stream import Stream

__all__ = [
    "BadImages",
    "Batch",
    "DatasetConfig",
    "Datasets",
    "Facts",
    "Stream",
    "WholeBatch",
    "dataset",
    "facts",
    "index_shards",
    "open_data",
    "write_shards",
]
