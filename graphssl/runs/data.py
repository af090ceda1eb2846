"""A run's data: opened, the same as at the checkpoint, and what went wrong with reading them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from ..checks.checked import NO_LABELS, Checked
from ..data import Datasets, open_data
from ..data.presence import absence
from ..errors import RunError, UsageError
from ..graph import spec
from ..train.failures import enough_memory
from ..world import the_same

__all__ = [
    "bad_images", "change_since", "closed_on_error", "fingerprint_of", "known_by", "open_run_data",
    "refuse_absent", "worker_failures",
]  # fmt: skip


def open_run_data(checked: Checked, device: torch.device, report: Callable[[str], None]) -> Datasets:
    """The data sets; says how far the reading of a folder is, at each tenth."""
    train = checked.graph.spec.train
    said = 0

    def progress(done: int, total: int) -> None:
        nonlocal said
        if total >= 5000 and done * 10 // total > said:
            said = done * 10 // total
            report(f"reading images: {done:,} of {total:,}")

    with enough_memory("as the data were read", "data.resident: workers leaves pictures on the disk."):
        data = open_data(checked.graph.spec.data, device, train.seed, train.accumulate, progress)
    with closed_on_error(data):
        if "label" in checked.graph.batch and not data.labelled:
            raise RunError(f"{NO_LABELS}; {data.labels}")
        if (warning := the_same(data.overlap)) is not None:
            report(f"warning: {warning}")
        if data.train.steps < train.accumulate:
            raise RunError(f"an epoch has {data.train.steps} batches, fewer than train.accumulate: {train.accumulate}")
    return data


@contextmanager
def closed_on_error(data: Datasets) -> Iterator[None]:
    """Closes the data where they turn out not to do."""
    try:
        yield
    except BaseException:
        data.close()
        raise


def refuse_absent(data: spec.Data) -> None:
    """Raises UsageError for data that are not where a run's graph says, as `check` does by the graph's line."""
    if (absent := absence(data)) is not None:
        hint = f" ({absent.hint})" if absent.hint else ""
        change = f"data.{absent.key}={'FOLDER' if absent.key == 'root' else '...'}"
        where = "" if absent.key == "use" else f". Where it is now is said by --set {change}"
        raise UsageError(f"{absent.message}{hint}{where}")


def change_since(payload: Mapping[str, Any], data: Datasets, say: Callable[[str], None] | None = None) -> str | None:
    """In what the training split is not that of a checkpoint. Early checkpoints do not know which files theirs was.

    say: told of what stops nothing.
    """
    if payload.get("samples", data.train.samples) != data.train.samples:
        return f"{data.train.samples:,} training samples now, {payload['samples']:,} then"
    if payload.get("files", data.fingerprint) != data.fingerprint:
        return "as many training pictures, but of other names or classes"
    if (then := payload.get("pictures")) is None:
        return None
    found = data.changes(then, the_same(data.traces))
    if found["train"].what is not None:
        return found["train"].what
    if say is None:
        return None
    if found["train"].perhaps is not None:
        say(f"warning: {found['train'].perhaps}. If they are no copies, this is other data: start a new run")
    held = found["held"]
    if then.get("held_files", data.held_files) != data.held_files:
        say("warning: other pictures are held out than at the checkpoint: scores before and after do not compare")
    elif held.what or held.perhaps:
        say(f"warning: of what is held out, {held.what or held.perhaps}. Scores before and after may not compare")
    return None


def known_by(data: Datasets) -> dict[str, Any]:
    """By what `change_since` knows pictures again, for a checkpoint."""
    pictures = {**the_same(data.traces), "held_files": data.held_files}
    return {"samples": data.train.samples, "files": data.fingerprint, "pictures": pictures}


def fingerprint_of(data: Datasets) -> str:
    """A digest by which the same pictures are known again."""
    traces = {
        split: {key: hashlib.sha256(value.numpy().tobytes()).hexdigest() for key, value in found.items()}
        for split, found in data.traces().items()
    }
    whole = json.dumps([traces, data.fingerprint, data.held_files], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def bad_images(data: Datasets) -> Iterator[str]:
    """What to say at the end of pictures that could not be read, or not where they should have been."""
    bad = data.bad
    if bad.count:
        what = "image could not be read and was" if bad.count == 1 else "images could not be read and were"
        more = " ..." if bad.count > len(bad.names) else ""
        yield f"{bad.count} {what} skipped: {', '.join(bad.names)}{more}"
    if bad.refused:
        what = "batch" if bad.refused == 1 else "batches"
        yield f"the device left {bad.refused:,} {what} of JPEGs to the CPU: {bad.refusal}"


@contextmanager
def worker_failures() -> Iterator[None]:
    """A data worker that dies is reported by torch from wherever the main process is: one message of it."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise RunError(f"{error} Was memory short? data.workers: 0 reads in the main process.") from error
