"""How fast an epoch goes."""

from __future__ import annotations

import time

__all__ = ["Speed"]


class Speed:
    """Images per second of an epoch that begins now. `images` is added to as they are seen."""

    def __init__(self) -> None:
        self.images = self._looked_at = 0
        self._began = self._last = time.perf_counter()

    def since_last(self) -> float:
        """Since the last look, or since the beginning."""
        images, before = self.images - self._looked_at, self._last
        self._looked_at, self._last = self.images, time.perf_counter()
        return images / (self._last - before)

    @property
    def average(self) -> float:
        """From the beginning to the last look."""
        return self.images / (self._last - self._began)
