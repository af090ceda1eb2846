"""Opens a data set, of whatever kind."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import RunError
from ..graph import spec
from ..graph.spec.datasets import DATA_SETS, Kind
from . import archives, digits, nvjpeg, place
from .batch import Arrays, BadImages, Pictures
from .fit import Fit
from .foresight import foreseen
from .kept import Keeping, Remaining
from .known import fit_of, guess_note, whence_labels
from .opened import Datasets, Opened
from .own.known import form_of
from .own.opening import open_dataset
from .picture_sets import open_pictures
from .resident import Resident
from .shards import shards
from .stream import Stream
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
