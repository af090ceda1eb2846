"""Pictures read by worker processes, which decode and cut (or leave that to the GPU) and do nothing else."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ..console import cores
from ..errors import RunError, reason_of
from ..world import current
from . import nvjpeg
from .batch import BadImages, Batch, Cutting, Pictures, is_described, named
from .decode import RGB, Form, native_decoder
from .fit import Fit
from .kept import Kept
from .making import Make, Making
from .order import batches
from .reader import Failures, Read, Reader, Wanted, quiet
from .transfer import to_device

T = TypeVar("T")
OF_CPP = re.compile(
    r"\s*(frame #\d+:|Exception raised from |C\+\+ CapturedTraceback|#\d+ |$)"
)  # below torch's own errors
ENFORCED = re.compile(r"\[enforce fail at [^]]*\]\s*(\S+\.)?\s*")
MAX_WORKERS = 16
FILES_PER_WORKER = 1000
SPAWNED = (
    "processes are spawned here, and each first imports the script that starts it. What that does stands below "
    '`if __name__ == "__main__":`, or `data.workers: 0` does without workers'
)
SOON = 16384  # samples ahead, to which a shard that is far away should have come


class Standing(Protocol):
    """What runs in the workers. standing: int64, `n 2`, by worker its process and the position that it stands at."""

    files: Pictures
    standing: Tensor


class _Plan:
    """The batch sampler: the order of one reading, which changes while the workers stay."""

    def __init__(self) -> None:
        self.batches: tuple[Tensor, ...] = ()
        self.cutting = Cutting()

    def __iter__(self) -> Iterator[Wanted]:
        lead = max(1, SOON // len(self.batches[0])) if self.batches else 1
        for number, positions in enumerate(self.batches):
            soon = self.batches[number + lead : number + lead + 1]
            later = soon[0].tolist() if soon else []
            whole = [] if self.cutting.whole is None else self.cutting.whole[number].tolist()
            yield Wanted(positions.tolist(), later, self.cutting.seed_of(number), self.cutting.part, whole)

    def __len__(self) -> int:
        return len(self.batches)


def as_it_is(read: T) -> T:
    """For a loader whose workers hand over batches."""
    return read


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """For the start of the workers, which inherit it: Ctrl-C, say, reaches every process, the main one decides."""
    deaf_to = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, deaf_to)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _without_a_script_that_is_none() -> Iterator[None]:
    """For the start of workers that are spawned: of a program from stdin there is no script that they could import."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None or os.path.exists(file):
        yield
        return
    del main.__file__
    try:
        yield
    finally:
        main.__file__ = file


def default_workers() -> int:
    """One for each core this process may use, its share of them, and not more than 16; of a daemon, which may start no
    others, none."""
    if multiprocessing.current_process().daemon:
        return 0
    return min(max(cores() // current().here, 1), MAX_WORKERS)


class Workers:
    """A split of files behind worker processes.

    The workers that read full batches (training) stay from epoch to epoch; the others end with their reading.
    fit: how pictures are prepared for evaluation. skip: bad ones are recorded in `bad`; otherwise the first is a
    RunError. coded: the device decodes the JPEGs that it can, and the workers only read these. kept: the pictures where
    they are decoded already, and `index`, int64 `n`, their positions in the whole split. form: what they are then.
    """

    def __init__(
        self, files: Pictures, fit: Fit, device: torch.device, workers: int | None, bad: BadImages, *,
        skip: bool, coded: bool = False, kept: Kept | None = None, index: Tensor | None = None, form: Form = RGB,
    ) -> None:  # fmt: skip
        self.samples = len(files.paths)
        self.labelled, self.label = torch.nonzero(files.label != -1).flatten(), files.label
        self.index = torch.arange(self.samples) if index is None else index
        self.source: Pictures = getattr(files, "source", files)
        self.files, self.fit, self.device, self.bad, self.skip = files, fit, device, bad, skip
        self.workers, self.coded = default_workers() if workers is None else workers, coded
        self._kept, self._index, self.form = kept, index, form
        self._lasting: tuple[_Plan, Reader, DataLoader[Read]] | None = None

    def order(self, seed: int, epoch: int) -> Tensor:
        """See `Split.order`."""
        return self.files.order(seed, epoch)

    def read(self, order: Tensor, batch: int, *, full: bool, cutting: Cutting | None = None) -> Iterator[Batch]:
        """See `Split.read`."""
        return to_device(self._read(order, batch, full, cutting or Cutting()), self.device)

    def whole(self, batch: int) -> Iterator[tuple[list[Tensor], Tensor, Tensor]]:
        """All pictures in order, decoded and of their own sizes, `c h w`; their positions and labels, int64."""
        plan, reader, loader = self._loader(self.workers, Make(None, whole=True), full=False)
        plan.batches = batches(torch.arange(self.samples), batch)
        for read in explained(loader, reader):
            self._judge(read.failures)
            yield read.whole, read.position, read.label

    def _read(self, order: Tensor, batch: int, full: bool, cutting: Cutting) -> Iterator[Batch]:
        """The batches, pinned for a GPU; the pictures that it decodes are there."""
        make = Make(self.fit if cutting.image else None, cutting.cuts)
        if full:
            self._lasting = self._lasting or self._loader(self.workers, make, full=True)
            parts = self._lasting
        else:
            parts = self._loader(min(self.workers, len(order) // FILES_PER_WORKER), make, full=False)
        plan, reader, loader = parts
        plan.batches, plan.cutting = batches(order, batch), cutting
        for read in explained(loader, reader):
            read = self._decoded(read, reader, plan.cutting.part)
            self._judge(read.failures)
            if full and not len(read.position):
                first = self._named(*read.failures[0])
                raise RunError(f"none of {len(read.failures)} pictures in a row can be read: {first}")
            if len(read.position):
                index = read.position if self._index is None else self._index[read.position]
                yield Batch(read.image, index, read.label, read.cuts)

    def _decoded(self, read: Read, reader: Reader, part: tuple[int, int]) -> Read:
        """A batch with what was left to the device: decoded there, or if that fails, the whole batch here."""
        if not len(read.slots):
            return read
        try:
            pictures = nvjpeg.decode_all(read.files(), self.device)
        except RuntimeError as error:  # a file that the engine does not take, or a bad one: the CPU has the last word
            self.bad.refuse(reason_of(error))
            again = Reader(self.files, reader.make, 1, skip=self.skip, full=reader.full, form=self.form)
            found = again.__getitems__(Wanted(read.position.tolist(), [], read.seed, part))
            return found._replace(failures=[*read.failures, *found.failures])
        making = Making(reader.make, len(read.position), read.seed, part)
        making.begin(read.image, read.cuts, self.device)
        for slot, picture in zip(read.slots.tolist(), pictures, strict=True):
            making.take(slot, picture)
        made = making.made(len(read.position))
        return read._replace(image=made.image, cuts=made.cuts)

    def _loader(self, workers: int, make: Make, *, full: bool) -> tuple[_Plan, Reader, DataLoader[Read]]:
        native_decoder(as_it_is=not self.form.converts)  # imported here, or else by each worker
        plan = _Plan()
        reader = Reader(
            self.files, make, max(workers, 1), skip=self.skip, full=full, coded=self.coded, kept=self._kept,
            form=self.form,
        )  # fmt: skip
        loader: DataLoader[Read] = DataLoader(
            reader,
            batch_sampler=plan,  # type: ignore[arg-type]  # of what it hands over it knows lists only
            num_workers=workers,
            collate_fn=as_it_is,
            worker_init_fn=quiet,
            pin_memory=self.device.type == "cuda",
            persistent_workers=full and workers > 0,
            # Else each start of the workers would draw from the run's own generator.
            generator=torch.Generator(),
        )
        return plan, reader, loader

    def _judge(self, failures: Failures) -> None:
        for position, why in failures:
            if not self.skip:
                mend = "Mend what its Dataset gives" if is_described(self.files) else "Mend or remove it"
                raise RunError(
                    f"a picture cannot be read: {self._named(position, why)}. {mend}, or pass over such pictures with "
                    "`data.on_bad_image: skip`"
                )
            self.bad.add(self.files.paths[position], why)

    def _named(self, position: int, why: str) -> str:
        return f"{named(self.files, position)}: {why}"

    def close(self) -> None:
        """Ends the workers."""
        if self._lasting is not None:
            self._lasting[2]._iterator = None  # the loader itself may live on, in an error's traceback
        self._lasting = None
        self.files.close()


def explained(loader: DataLoader[T], reader: Standing) -> Iterator[T]:
    """The loader's batches; whatever goes wrong in a worker becomes a RunError that names the file."""
    try:
        yield from _started(loader)
    except Exception as error:
        error = _death_behind(error)
        # Else torch's error keeps the workers after `close`, in a cycle in which each can only be killed, after 5 s.
        traceback.clear_frames(error.__traceback__)
        raise RunError(_why(error, reader)) from error


def _started(loader: DataLoader[T]) -> Iterator[T]:
    if loader.num_workers and multiprocessing.current_process().daemon:
        raise RunError("this process is a daemon, which may start no others: data.workers: 0 reads in it")
    with _deaf_to_interrupts(), _without_a_script_that_is_none():
        batches = iter(loader)
    for worker in getattr(batches, "_workers", ()):
        worker._popen.terminate = worker._popen.kill  # the one way to end one that does not end by itself
    return batches


def _death_behind(error: Exception) -> Exception:
    """Where a worker's pipe broke, torch's report of its death, which a signal handler raises a moment later."""
    if isinstance(error, EOFError | ConnectionError):
        try:
            time.sleep(2)  # the signal ends it
        except RuntimeError as death:
            return death
    return error


def _why(error: Exception, reader: Standing) -> str:
    """What happened, from the loader's message, which gives a dead worker's process or a failed one's number."""
    lines = [line for line in str(error).strip().splitlines() if not OF_CPP.match(line)] or [type(error).__name__]
    standing = reader.standing.tolist()
    pids = {int(n) for found in re.findall(r"pid(?:\(s\))? ([\d, ]+)", lines[0]) for n in re.findall(r"\d+", found)}
    if pids:
        at = [int(at) for pid, at in standing if pid in pids]
        where = _where(reader, at)
        if not any(position >= 0 for position in at) and _spawned():
            return f"a worker process that reads pictures ended before it read one: {SPAWNED}"
        return (
            f"a worker process that reads pictures died{where}: {lines[0]} It may have run out of memory (then "
            "take fewer with `data.workers`), or the decoder may have crashed on the file"
        )
    if (known := lines[-1].partition("RunError: ")[2]) or isinstance(error, RunError):
        return known or lines[-1]
    number = re.search(r"worker process (\d+)", lines[0])
    where = _where(reader, [int(standing[int(number[1]) if number else 0][1])])
    return f"reading pictures failed{where}: {ENFORCED.sub('', lines[-1])}"


def _spawned() -> bool:
    """Whether workers begin by an import of the script that starts them."""
    main = sys.modules.get("__main__")
    return multiprocessing.get_start_method(allow_none=True) in ("spawn", "forkserver") and hasattr(main, "__file__")


def _where(reader: Standing, positions: list[int]) -> str:
    names = [named(reader.files, position) for position in positions if position >= 0]
    return f" while reading {', '.join(names)}" if names else ""
