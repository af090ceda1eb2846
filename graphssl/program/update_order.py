"""In which order the states are written after the optimizer's step: targets, queues and banks.

All reads of a step see the states as they were when it began, since what updates take is carried out of the forward
pass. One thing is not: scores that are not computed yet read the entries of a queue or a bank. So updates that take
scores go first; the rest keep the order of the file, in which nothing depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..graph.calls import Call

__all__ = ["ordered", "reads_scores"]


def ordered(updates: Iterable[Call]) -> list[Call]:
    """The updates, those that read scores before those that may write the entries of which they are computed."""
    return sorted(updates, key=lambda call: not reads_scores(call))


def reads_scores(call: Call) -> bool:
    """Whether a call takes scores, which are computed from entries that another update may write."""
    return any(slot.kind == "scores" for slot in call.inputs())
