"""The dot product of embeddings as they are."""

from __future__ import annotations

from graphssl.component import component

from .base import DotProduct

__all__ = ["Dot"]


@component("critic.dot", traits=("rows",))
class Dot(DotProduct):
    """The dot product over a temperature; lengths count.

    On the outputs of two heads it is a separable critic, as `critic.separable` is with heads of its own, and with
    InfoNCE the N-pair loss (Sohn 2016). Nothing is normalised; scores are float32. Keys with positions, `b ... d`,
    give positives `b ...`. Many scores are left to the objective, as `critic.cosine` does.
    """
