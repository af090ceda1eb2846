"""Few labels: a part of each class, the same on every machine.

Semi-supervised learning on 1 and 10 % of the labels, balanced by class: Chen et al. 2020, arXiv:2002.05709, table 7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from ..data.order import held_out
from ..errors import RunError
from .labelled import Labelled, Splits

__all__ = ["Labels", "Share", "Subset", "few", "subset_of", "validation_of"]

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
        count = asked if isinstance(asked, int) else max(1, int(asked * len(mine) + 0.5))
        if count > len(mine):
            called = f"'{names[label]}'" if label < len(names) else str(label)
            raise RunError(f"labels: {asked} of each class are asked for, and the class {called} has {len(mine)}")
        chosen = held_out((f"labels {seed} {place}" for place in mine), count)
        taken += [place for place in mine if f"labels {seed} {place}" in chosen]
    places = torch.tensor(sorted(taken), dtype=torch.int64)
    text = f"{len(labels)}: {places.tolist()}"
    return Subset(places, hashlib.sha256(text.encode()).hexdigest()[:16])


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
