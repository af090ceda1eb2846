"""Opens a data set: the training stream in its seeded order, and both splits in order for evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import RunError
from ..graph import spec
from ..graph.spec.datasets import DATA_SETS, Kind
from ..ports import Cut
from ..world import current
from . import archives, digits, nvjpeg, place
from .batch import UNREAD, Arrays, BadImages, Batch, Cutting, Pictures, Split
from .fit import Fit
from .foresight import foreseen
from .judged import judged
from .kept import Keeping, Remaining
from .known import fit_of, guess_note, whence_labels
from .overlap import overlap
from .own.known import form_of
from .own.opening import open_dataset
from .picture_sets import open_pictures
from .resident import Resident
from .shards import shards
from .stream import Stream
from .traces import Change, Trace, changes, trace
from .workers import Workers

Progress = Callable[[int, int], None]  # pictures done, pictures in all
Classes = tuple[str, ...]
DECODE_BATCH, WHOLE_BATCH = 256, 16

# The readers by kind: of sets that come as arrays, all of one size, and of sets of pictures in files.
ARRAYS: dict[Kind, Callable[[spec.Data], tuple[tuple[Arrays, Arrays], Classes]]] = {
    "embedded": digits.load,
    "archive": archives.load,
}
FILES: dict[Kind, Callable[[spec.Data, Progress | None], tuple[Pictures, Pictures, Classes]]] = {
    "pictures": open_pictures,
    "shards": shards.open_shards,
    "dataset": open_dataset,
}


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
        order = torch.arange(self._test.samples) if self._judged.learnt is None else self._judged.judged
        return self._test.read(_own(order), batch, full=False)

    def overlap(self) -> str | None:
        """What to warn of where held-out pictures are training pictures too; see `overlap`."""
        return overlap(self._train.source, self._test.source) if self.judged else None

    def traces(self) -> dict[str, Trace]:
        """By what the pictures of both splits are known again."""
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


def open_data(
    data: spec.Data, device: torch.device, seed: int, accumulate: int = 1, progress: Progress | None = None
) -> Datasets:
    """Opens the data set that `data` describes; its batches come on `device`.

    accumulate: batches of one optimizer step. With `last: drop` an epoch is a whole number of such groups.
    progress: called while the pictures of a folder are decoded into memory.
    Raises RunError if the set is not there (and how to get it), cannot be read, or gives no step in an epoch.
    """
    bad = BadImages()
    if DATA_SETS[data.use].kind in ARRAYS:
        opened = _from_arrays(data, device)
    else:
        opened = _from_files(data, device, bad, progress)
    return Datasets(Stream(opened.train, data, seed, accumulate), opened, bad, whence_labels(data))


def _from_arrays(data: spec.Data, device: torch.device) -> Opened:
    splits, classes = ARRAYS[DATA_SETS[data.use].kind](data)
    need = sum(image.numel() for image, _ in splits)
    where = place.choose(data.resident, need, device)
    home = device if where == "device" else torch.device("cpu")
    train, test = (
        Resident(image.to(home).contiguous(), label, fit_of(data), device) for image, label in splits
    )  # fmt: skip
    return Opened(train, test, classes, where)


def _from_files(data: spec.Data, device: torch.device, bad: BadImages, progress: Progress | None) -> Opened:
    *splits, classes = FILES[DATA_SETS[data.use].kind](data, progress)
    _check_known(data.use, len(splits[0].paths))
    fit, form = fit_of(data), form_of(data)
    need = 0 if data.resident == "workers" else foreseen(splits[0], form)
    held_out = len(splits[1].paths) * form.bytes(fit.height * fit.width)
    where = place.choose_for_pictures(data.resident, need + held_out)
    reason = nvjpeg.reason_against(data.decode, device, form) if where == "workers" else None
    coded = where == "workers" and reason is None
    skip = data.on_bad_image == "skip"
    train, test = (
        Workers(files, fit, device, data.workers, bad, skip=skip, coded=coded, form=form) for files in splits
    )
    given = int(getattr(splits[1], "given", 0))
    guessed = (*notes_of(splits[0]), *(note for note in (guess_note(data),) if note is not None))
    if where == "workers":
        note = "JPEGs are decoded by the device" if coded else f"JPEGs are decoded by the workers: {reason}"
        notes = (*guessed, *((note,) if device.type == "cuda" else ()))
        return Opened(train, test, classes, where, splits[0].fingerprint, notes, given)
    read = _Counted(sum(len(files.paths) for files in splits), progress)
    held = _prepared(test, read)
    kept, memory = _whole(train, need, read)
    note = f"the pictures are kept in memory, {memory / place.GB:.2f} GB, whole: views are cut by the workers"
    return Opened(kept, held, classes, where, splits[0].fingerprint, (*guessed, note), given)


def notes_of(pictures: Pictures) -> tuple[str, ...]:
    """What a reader has to say of its set, if it has."""
    notes: tuple[str, ...] = getattr(pictures, "notes", ())
    return notes


def _check_known(use: str, samples: int) -> None:
    """A bank has an entry for each sample that `facts` promised: there may be fewer, not more."""
    known = DATA_SETS[use].samples
    if known is not None and samples > known:
        raise RunError(
            f"'{use}' has {known:,} training pictures and {samples:,} were found: another set? "
            "`use: image_folder` takes any folder"
        )


class _Counted:
    """Pictures that are read, of all."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self, more: int) -> None:
        self._done += more
        if self._progress is not None:
            self._progress(self._done, self._total)


def _prepared(source: Workers, count: _Counted) -> Resident:
    """Every picture of a split as it is evaluated, with those that cannot be read left out."""
    fit = source.fit
    home = torch.device("cpu")
    reader = Workers(source.files, fit, home, source.workers, source.bad, skip=source.skip, form=source.form)
    shape = (source.samples, source.form.channels, fit.height, fit.width)
    image = torch.empty(shape, dtype=source.form.type)
    kept: list[Tensor] = []
    labels: list[Tensor] = []
    done = 0
    for batch in reader.read(torch.arange(source.samples), DECODE_BATCH, full=False):
        image[done : done + len(batch.index)] = batch.image
        kept.append(batch.index)
        labels.append(batch.label)
        done += len(batch.index)
        count(len(batch.index))
    reader.close()
    index, label = _joined(kept), _joined(labels)
    seen = Fit(fit.height, fit.width)  # prepared already
    return Resident(image[:done], label, seen, source.device, index, source.files)


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)


def _whole(source: Workers, need: int, count: _Counted) -> tuple[Workers, int]:
    """Every picture of a split at its own size, with those that cannot be read left out; and the bytes they take."""
    keeping, positions, labels = Keeping(need, source.form.type), list[Tensor](), list[Tensor]()
    for pictures, position, label in source.whole(WHOLE_BATCH):
        keeping.take(pictures)
        positions.append(position)
        labels.append(label)
        count(len(position))
    kept, index = keeping.kept(), _joined(positions)
    files = Remaining(source.files, index, _joined(labels))
    reader = Workers(
        files, source.fit, source.device, source.workers, source.bad,
        skip=source.skip, kept=kept, index=index, form=source.form,
    )  # fmt: skip
    source.close()
    return reader, kept.bytes
