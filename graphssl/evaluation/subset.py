"""Few labels: a part of each class, the same on every machine.

Semi-supervised learning on 1 and 10 % of the labels, balanced by class: Chen et al. 2020, arXiv:2002.05709, table 7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from ..checks.evaluations import Known, Lack
from ..data.order import held_out
from ..errors import RunError
from .labelled import Labelled, Splits

__all__ = ["Labels", "Share", "Subset", "few", "holds_out", "lacks_of_labels", "subset_of", "validation_of"]

Share = Annotated[float, Field(gt=0, le=1)]
Labels = PositiveInt | Share | None  # so many of each class, or this share of each


@dataclass(frozen=True)
class Subset:
    """places: int64, ascending, among the labelled samples. digest: of these, and of how many there are."""

    places: Annotated[Tensor, "m"]
    digest: str

    def said(self) -> dict[str, Any]:
        return {"samples": len(self.places), "subset": self.digest}


def subset_of(labels: Annotated[Tensor, "n"], asked: int | float, seed: int, names: Sequence[str] = ()) -> Subset:
    """So many of each class, or a share of each, rounded but at least one: those whose numbers hash lowest.

    labels: of all samples, in their order, of which none is unknown. names: of the classes. Raises RunError for a class
    with fewer than are asked for.
    """
    labels = labels.cpu()
    taken: list[int] = []
    for label in labels.unique().tolist():
        mine = torch.nonzero(labels == label).flatten().tolist()
        count = asked if isinstance(asked, int) else _taken(len(mine), asked)
        if count > len(mine):
            called = f"'{names[label]}'" if label < len(names) else str(label)
            raise RunError(f"labels: {asked} of each class are asked for, and the class {called} has {len(mine)}")
        chosen = held_out((f"labels {seed} {place}" for place in mine), count)
        taken += [place for place in mine if f"labels {seed} {place}" in chosen]
    places = torch.tensor(sorted(taken), dtype=torch.int64)
    text = f"{len(labels)}: {places.tolist()}"
    return Subset(places, hashlib.sha256(text.encode()).hexdigest()[:16])


def lacks_of_labels(asked: Labels, known: Known) -> Iterator[Lack]:
    """Classes with fewer labelled pictures than are asked for."""
    counts = known.counts
    if counts is None or counts.learning is None or not isinstance(asked, int):
        return
    if short := {label: n for label, n in enumerate(counts.learning) if 0 < n < asked}:
        have = ", ".join(f"{known.names([label])} has {n}" for label, n in list(short.items())[:3])
        more = f", and {len(short) - 3:,} more classes have too few" if len(short) > 3 else ""
        hint = f"at most {min(short.values())} of each can be had, or a share, such as labels: 0.1"
        yield Lack(f"{asked} of each class are asked for, and {have}{more}", "labels", hint=hint)


def holds_out(known: Known, labels: Labels, share: float) -> int | None:
    """How many pictures `validation_of` would hold out of what `labels` leaves; None where nobody knows yet."""
    if known.counts is None or known.counts.learning is None:
        return None
    there = [_taken(n, labels) for n in known.counts.learning if n]
    return sum(min(round(share * n), n - 1) for n in there)


def _taken(n: int, asked: Labels) -> int:
    """Of n of a class so many as are asked for, if there are."""
    if asked is None or isinstance(asked, int):
        return n if asked is None else min(asked, n)
    return max(1, int(asked * n + 0.5))


def few(known: Splits, asked: Labels, seed: int, names: Sequence[str] = ()) -> tuple[Splits, Tensor, dict[str, Any]]:
    """The splits with fewer samples to learn from, their places, and what is kept of that beside the figures."""
    if asked is None:
        return known, torch.arange(len(known.reference.labels)), {}
    found = subset_of(known.reference.labels, asked, seed, names)
    places = found.places.to(known.reference.features.device)
    part = Labelled(known.reference.features[places], known.reference.labels[places])
    return replace(known, reference=part), found.places, found.said()


def validation_of(labels: Annotated[Tensor, "n"], share: float, seed: int) -> Annotated[Tensor, "n"]:
    """Which samples are held out: of each class the share, rounded, but never all. The same on every machine."""
    held = torch.zeros(len(labels), dtype=torch.bool)
    order = np.random.default_rng(seed).permutation(len(labels))
    shuffled = labels.cpu().numpy()[order]
    for label in np.unique(shuffled):
        mine = order[shuffled == label]
        held[mine[: min(round(share * len(mine)), len(mine) - 1)]] = True
    return held.to(labels.device)
