"""Says when the collapse monitors look like collapse, once, while there is still time to stop."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

ALMOST_ZERO = 0.01
LOW_STD = 0.1
LOW_RANK = 3.0
LOW_RANK_SHARE = 0.25
FALLING = 3
HINT = (
    "Usual causes: a regression objective without predictor or stop-gradient, a target that follows too fast, no "
    "batch normalisation in the heads, a learning rate that is too high. If the next readings are no better, stop."
)


@dataclass
class CollapseWatch:
    """Reads `measure`'s values over time, for several lines of a flow, and warns once a line and symptom.

    A fresh encoder maps all images to nearly the same vector, so a low first reading is no sign: it must be
    confirmed by a second that is no better. Only a standard deviation below 0.01 is told at once.
    """

    _history: dict[str, list[Mapping[str, float]]] = field(default_factory=dict)
    _said: set[tuple[str, str]] = field(default_factory=set)

    def look(self, line: str, values: Mapping[str, float]) -> list[str]:
        """Takes the next reading of a line; gives the warnings to show now, most often none."""
        history = self._history.setdefault(line, [])
        history.append(values)
        found = (_collapsed(history), _dimensional(history), _falling(history))
        new = [(line, symptom, text) for symptom, text in filter(None, found) if (line, symptom) not in self._said]
        if not new:
            return []
        # The collapse says what the others would only say more weakly.
        _, symptom, text = new[0]
        self._said |= {(line, s) for s in (("std", "rank", "falling") if symptom == "std" else (symptom,))}
        return [f"the embeddings of '{line}' {text}. {HINT}"]


Symptom = tuple[str, str] | None


def _collapsed(history: list[Mapping[str, float]]) -> Symptom:
    """std below 0.1 of what spread-out embeddings have, twice and not recovering; or all but zero."""
    readings = _readings(history, "std")
    if not readings or readings[-1] >= LOW_STD:
        return None
    if readings[-1] >= ALMOST_ZERO and not _stays(readings, LOW_STD):
        return None
    return "std", (
        f"look collapsed: nearly the same vector for every image (standard deviation {readings[-1]:.2g}; 1 is "
        "spread out, 0 collapsed)"
    )


def _dimensional(history: list[Mapping[str, float]]) -> Symptom:
    """Effective rank below 3 and below a quarter of the possible, twice and not recovering."""
    ranks = _readings(history, "effective_rank")
    shares = _readings(history, "effective_rank_share")
    if not ranks or not _stays(ranks, LOW_RANK) or not shares or shares[-1] >= LOW_RANK_SHARE:
        return None
    return "rank", (f"look collapsed to few dimensions: effective rank {ranks[-1]:.1f} of {ranks[-1] / shares[-1]:.0f}")


def _falling(history: list[Mapping[str, float]]) -> Symptom:
    """std lower three readings in a row, and by now less than half of its best."""
    readings = _readings(history, "std")
    recent = readings[-FALLING - 1 :]
    if len(recent) <= FALLING or any(b >= a for a, b in itertools.pairwise(recent)):
        return None
    if recent[-1] >= max(readings) / 2 or recent[-1] >= 0.5:
        return None
    return "falling", (
        f"are collapsing: their standard deviation fell from {max(readings):.2g} to {recent[-1]:.2g} and keeps "
        "falling (1 is spread out, 0 collapsed)"
    )


def _readings(history: list[Mapping[str, float]], name: str) -> list[float]:
    """A batch of one has none, and embeddings that are not finite have none that is a number."""
    return [values[name] for values in history if math.isfinite(values.get(name, math.nan))]


def _stays(readings: list[float], limit: float) -> bool:
    return len(readings) > 1 and readings[-2] < limit and readings[-1] < limit and readings[-1] <= readings[-2] * 1.1
