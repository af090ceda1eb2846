"""How a training went: its last step, loss and speed, and the scores of its encoder by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Outcome", "Scores", "saved_scores"]

Scores = dict[str, dict[int, float]]  # by metric and epoch, 0 for before training

# Metrics that early checkpoints have beside the rest, and not under `scores`; by what they are called now.
EARLY = {"knn": "knn", "linear": "logistic"}


@dataclass
class Outcome:
    """How a training ended, or how far it is. images_per_second: of the last epoch, evaluation left out.

    from_outside: interrupted not by Ctrl-C, but by whoever needs the machine.
    """

    step: int = 0
    loss: float = float("nan")
    scores: Scores = field(default_factory=dict)
    images_per_second: float = 0.0
    interrupted: bool = False
    from_outside: bool = False


def saved_scores(payload: Mapping[str, Any]) -> Scores:
    """The scores in a checkpoint, as a copy."""
    saved = payload.get("scores")
    if saved is None:
        saved = {now: payload[then] for then, now in EARLY.items() if payload.get(then)}
    return {metric: dict(by_epoch) for metric, by_epoch in saved.items()}
