"""Which pictures features are judged on, and which ones classifiers of them learn from.

Where training pictures have labels, classifiers learn from these, and all held-out ones are judged. Where they have
none, the usual case of the field, the labelled held-out pictures are parted: half of each class, chosen by their
numbers alone, so that runs of every seed are judged on the same. Those that have a training split of their own are not.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .batch import Split
from .order import held_out

__all__ = ["Judged", "judged"]


class Judged(NamedTuple):
    """Positions in the held-out split, int64. learnt: of what classifiers learn from; None for the training split."""

    learnt: Tensor | None
    judged: Tensor
    some: str | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Also of training pictures, where some have labels."""
        return tuple(note for note in (self.some, self.note) if note is not None)

    @property
    def note(self) -> str | None:
        """What a run says of it."""
        if self.learnt is None or not len(self.judged):
            return None
        return (
            "the training pictures have no labels: features are judged on held-out ones, of which classifiers learn "
            f"from {len(self.learnt):,} and are tested on {len(self.judged):,}"
        )


def judged(train: Split, test: Split, given: int = 0) -> Judged:
    """given: so many pictures, the first that are held out, are there to learn from, where training has no labels."""
    if n := len(train.labelled):
        some = f"{n:,} of {train.samples:,} training pictures have labels" if n < train.samples else None
        return Judged(None, test.labelled, some)
    if not len(test.labelled):
        return Judged(None, test.labelled)
    own = test.index[test.labelled]
    learn = own < given if given else _half(test.label[test.labelled], own)
    return Judged(test.labelled[learn], test.labelled[~learn])


def _half(label: Tensor, index: Tensor) -> Tensor:
    """Of each class half, rounded up: bool, `n`."""
    chosen = torch.zeros(len(label), dtype=torch.bool)
    for one in label.unique():
        places = torch.nonzero(label == one).flatten()
        names = [f"fit {number}" for number in index[places].tolist()]
        taken = held_out(names, (len(names) + 1) // 2)
        chosen[places] = torch.tensor([name in taken for name in names])
    return chosen
