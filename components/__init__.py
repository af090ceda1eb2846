"""The node library. Importing it registers every component; the entry-point group `graphssl.components` does so."""

from __future__ import annotations

from . import augment, context, critic, encoder, head, mask, negatives, objective, prior, target, toy

__all__ = [
    "augment",
    "context",
    "critic",
    "encoder",
    "head",
    "mask",
    "negatives",
    "objective",
    "prior",
    "target",
    "toy",
]
