"""Data sets and their batches: `facts` before anything is read, `open_data` for the batches."""

from __future__ import annotations

from .batch import BadImages, Batch
from .datasets import Datasets, Stream, open_data
from .facts import facts

__all__ = ["BadImages", "Batch", "Datasets", "Stream", "facts", "open_data"]
