"""Object detection with a run's encoder; `detection.py` is the evaluation, and a file each what it needs."""

from __future__ import annotations

from .detection import Detection

__all__ = ["Detection"]
