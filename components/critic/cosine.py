"""Cosine similarity: the critic of SimCLR, MoCo and BYOL."""

from __future__ import annotations

from graphssl.component import component

from .base import DotProduct

__all__ = ["Cosine"]


@component("critic.cosine", traits=("cosine", "bounded", "bounded_below", "rows"))
class Cosine(DotProduct):
    """Cosine similarity over a temperature.

    sim(u, v) / temperature with sim(u, v) = u^T v / (|u| |v|): SimCLR, section 2.1 (Chen et al. 2020,
    arXiv:2002.05709). Queries, keys and negatives are l2-normalised here and may have any length; scores are
    float32, in -1/temperature to 1/temperature. MoCo and NPID use 0.07, MoCo v2 0.2, SimCLR 0.1 to 0.5. BYOL's
    regression takes the cosine itself: 1, the default. Keys with positions, `b ... d`, give positives `b ...`.

    More than 16 MiB of scores with negatives that the batch shares are left to the objective, also by way of
    `critic.clip`: all but `multi_positive`, triplets, margins and f-divergences compute a piece of them at a time and
    hold no more. So the softmax over a bank of a million entries needs no `b n` matrix, and no step copies a bank.
    """

    cosine = True
