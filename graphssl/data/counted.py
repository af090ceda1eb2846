"""How many labelled pictures of each class there are, to learn from and to judge on; no picture is opened for it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import RunError
from ..graph import spec
from ..graph.spec.datasets import DATA_SETS
from .batch import UNREAD, Pictures, Split
from .foretold import is_large
from .judged import Judged, judged
from .known import whence_labels
from .picture_sets import PictureSet, open_pictures

__all__ = ["Counts", "counted", "counts_of"]

Each = tuple[int, ...]  # of each class, by label


@dataclass(frozen=True)
class Counts:
    """Of a data set.

    classes: their names. pictures: training ones, labelled: of these with labels. held_out, judged: pictures that are
    held out, and those that features are judged on. labels: where a set of this kind has them. learning: by class the
    labelled pictures that classifiers learn from, and judging: those that they are judged on; None for labels that are
    known only when their pictures are read.
    """

    classes: tuple[str, ...]
    pictures: int
    labelled: int
    held_out: int
    judged: int
    labels: str
    learning: Each | None
    judging: Each | None

    @property
    def learns_from(self) -> int | None:
        """How many labelled pictures classifiers learn from."""
        return None if self.learning is None else sum(self.learning)


def counts_of(train: Split, test: Split, parted: Judged, classes: tuple[str, ...], labels: str) -> Counts:
    """Of both splits, parted so. labels: see `Counts`."""
    learnt = train.label[train.labelled] if parted.learnt is None else test.label[parted.learnt]
    return Counts(
        classes, train.samples, len(train.labelled), test.samples, len(parted.judged), labels,
        _each(learnt, len(classes)), _each(test.label[parted.judged], len(classes)),
    )  # fmt: skip


def _each(label: Tensor, classes: int) -> Each | None:
    if bool((label == UNREAD).any()):
        return None
    return tuple(torch.bincount(label, minlength=classes).tolist())


def counted(data: spec.Data) -> Counts | None:
    """Of a set of pictures in folders or a list, before it is opened; None of another, and of one that is so large that
    its files are not listed for this, or that cannot be read, of which `presence` tells."""
    if DATA_SETS[data.use].kind != "pictures" or is_large(PictureSet.of(data)):
        return None
    with contextlib.suppress(RunError, OSError):
        train, test, classes = open_pictures(data)
        splits = _Unopened.of(train), _Unopened.of(test)
        return counts_of(*splits, judged(*splits, test.given), classes, whence_labels(data))  # type: ignore[arg-type]
    return None


class _Unopened(NamedTuple):
    """As much of a `Split` as pictures are parted by."""

    samples: int
    labelled: Tensor
    label: Tensor
    index: Tensor  # type: ignore[assignment]  # hides tuple.index

    @classmethod
    def of(cls, files: Pictures) -> _Unopened:
        label, n = files.label, len(files.paths)
        return cls(n, torch.nonzero(label != -1).flatten(), label, torch.arange(n))
