"""How far the same figure of several seeds lies apart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .figures import COVERED

__all__ = ["Spread"]


@dataclass(frozen=True)
class Spread:
    """mean; deviation: of a single run, with n - 1, None of one alone; interval: of the mean, 95 %, by Student's t."""

    mean: float
    deviation: float | None
    interval: tuple[float, float] | None

    @classmethod
    def of(
        cls, values: Sequence[float], bounds: tuple[float, float] = (-math.inf, math.inf), covered: float = COVERED
    ) -> Spread:
        """bounds: what the values lie between, beyond which no interval goes."""
        mean, n = math.fsum(values) / len(values), len(values)
        if n == 1:
            return cls(mean, None, None)
        from scipy.stats import t

        deviation = statistics.stdev(values)
        half = float(t.ppf((1 + covered) / 2, n - 1)) * deviation / math.sqrt(n)
        return cls(mean, deviation, (max(mean - half, bounds[0]), min(mean + half, bounds[1])))
