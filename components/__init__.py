"""The node library. Importing it registers every component; the entry-point group `graphssl.components` does so."""

from __future__ import annotations

from . import augment, critic, encoder, head, negatives, objective, target

__all__ = ["augment", "critic", "encoder", "head", "negatives", "objective", "target"]
