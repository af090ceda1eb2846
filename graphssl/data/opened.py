"""An open data set: both its splits, which pictures are learnt from and judged, and by what they are known again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import RunError
from ..graph import spec
from ..ports import Cut
from ..world import current
from . import place
from .batch import UNREAD, BadImages, Batch, Cutting, Split
from .counted import Counts, counts_of
from .judged import judged
from .overlap import overlap
from .stream import Stream
from .traces import Change, Trace, changes, trace

__all__ = ["Datasets", "Opened"]


class Opened(NamedTuple):
    """Both splits of a data set, where they are kept, the classes, which files make up the training split, notes.

    given: see `judged`.
    """

    train: Split
    test: Split
    classes: tuple[str, ...]
    place: place.Place
    fingerprint: str | None = None
    notes: tuple[str, ...] = ()
    given: int = 0


class Datasets:
    """An open data set.

    train: the training stream. held_out: samples of the other split. classes: their names, by label; none if pictures
        have no labels. labels: where a set of this kind has them.
    bad: the pictures skipped so far. place: `device`, `memory` or `workers`. notes: of how the set is read.
    fingerprint: of the training pictures' names; None for a set that comes as arrays and does not change.
    judged: pictures that features are judged on; judging: what to say of that. labelled: training pictures with labels.
    """

    def __init__(self, stream: Stream, opened: Opened, bad: BadImages, labels: str) -> None:
        self.train, self.classes, self.bad, self.place = stream, opened.classes, bad, opened.place
        self.labels = labels
        self._train, self._test = opened.train, opened.test
        self.held_out = opened.test.samples
        self._judged = judged(opened.train, opened.test, opened.given)
        self.labelled, self.judged = len(opened.train.labelled), len(self._judged.judged)
        self.fingerprint, self.notes = opened.fingerprint, (*opened.notes, *self._judged.notes)
        self.judging, self.held_files = self._judged.note, opened.test.source.fingerprint

    def reference(self, batch: int) -> Iterator[Batch]:
        """The labelled samples that classifiers learn from, in order, the last batch short; of several processes its
        part. They are of the training split, or where that has no labels, of the held-out one."""
        split, order = self._learnt
        return split.read(_own(order), batch, full=False)

    @property
    def _learnt(self) -> tuple[Split, Tensor]:
        if self._judged.learnt is not None:
            return self._test, self._judged.learnt
        return self._train, self._train.labelled

    @property
    def learning(self) -> int:
        """How many labelled samples classifiers learn from."""
        return len(self._learnt[1])

    @property
    def counts(self) -> Counts:
        """How many pictures of each class there are."""
        return counts_of(self._train, self._test, self._judged, self.classes, self.labels)

    @property
    def learning_index(self) -> Tensor:
        """Of these their `Batch.index`."""
        split, order = self._learnt
        return split.index[order]

    @property
    def learning_labels(self) -> Tensor:
        """Of these their labels, int64. Raises RunError where a set tells labels only as its pictures are read."""
        split, order = self._learnt
        if bool((found := split.label[order]).eq(UNREAD).any()):
            raise RunError("labels of this data set are known only when its pictures are read, and are needed before")
        return found

    def read_learning(
        self, places: Tensor, batch: int, cuts: tuple[Cut, ...] = (), seed: int = 0, epoch: int = 0
    ) -> Iterator[Batch]:
        """Some of them as training reads them, by their place among all, `batch` at a time, the last one short.

        cuts: of each picture, in `Batch.cuts[0]`; where there are none `Batch.image` has it.
        """
        split, order = self._learnt
        cutting = Cutting((cuts,) if cuts else (), not cuts, seed, epoch)
        return split.read(order[places], batch, full=False, cutting=cutting)

    @property
    def pictures(self) -> int:
        """How many training pictures there are, with labels or without."""
        return self._train.samples

    @property
    def picture_index(self) -> Tensor:
        """Of these their `Batch.index`."""
        return self._train.index

    def read_pictures(
        self, places: Tensor, batch: int, cuts: tuple[Cut, ...] | None = None, seed: int = 0, epoch: int = 0,
        first: int = 0,
    ) -> Iterator[Batch]:  # fmt: skip
        """Some training pictures, by their place among all, `batch` at a time, the last one short.

        cuts: as `read_learning` has them; None for pictures as they are evaluated. first: the number of the first
        batch, of which the cuts' random numbers are made.
        """
        cutting = None if cuts is None else Cutting((cuts,) if cuts else (), not cuts, seed, epoch, first)
        return self._train.read(places, batch, full=False, cutting=cutting)

    def test(self, batch: int) -> Iterator[Batch]:
        """The held-out split, but for what classifiers learn from, in order, the last batch short; of several processes
        its part."""
        return self._test.read(_own(self._held), batch, full=False)

    @property
    def _held(self) -> Tensor:
        return torch.arange(self._test.samples) if self._judged.learnt is None else self._judged.judged

    def read_judged(self, places: Tensor, batch: int) -> Iterator[Batch]:
        """Some of these, by their place among all, as they are evaluated."""
        return self._test.read(self._held[places], batch, full=False)

    @property
    def held(self) -> int:
        """How many there are, with labels or without."""
        return len(self._held)

    def overlap(self) -> str | None:
        """What to warn of where held-out pictures are training pictures too; see `overlap`."""
        if not self.judged:
            return None
        return overlap(self._train.source, self._test.source, lambda: (self._traces["train"], self._traces["held"]))

    def traces(self) -> dict[str, Trace]:
        """By what the pictures of both splits are known again, as they are when it is first asked."""
        return self._traces

    @cached_property
    def _traces(self) -> dict[str, Trace]:
        return {name: trace(split.source) for name, split in (("train", self._train), ("held", self._test))}

    def identity(self, section: spec.Data) -> dict[str, Any]:
        """By what the pictures of an evaluation are known again, and how they are prepared; of JSON's kinds."""
        traces = {
            split: {key: hashlib.sha256(value.numpy().tobytes()).hexdigest() for key, value in found.items()}
            for split, found in self.traces().items()
        }
        prepared = section.model_dump(mode="json", include={"use", "size", "eval", "channels", "dtype", "orientation"})
        files = [self.fingerprint, self.held_files, self.learning, self.judged]
        return {"traces": traces, "files": files, "prepared": prepared}

    def changes(self, then: Mapping[str, Any], now: dict[str, Trace]) -> dict[str, Change]:
        """In what splits are not what they were when their traces were taken."""
        splits = {"train": self._train, "held": self._test}
        return {name: changes(then.get(name, {}), now[name], split.source) for name, split in splits.items()}

    def close(self) -> None:
        """Ends the worker processes, if any."""
        self._train.close()
        self._test.close()


def _own(order: Tensor) -> Tensor:
    """This process's part of what is read once, in the order of the processes."""
    world = current()
    return order.tensor_split(world.size)[world.rank]
