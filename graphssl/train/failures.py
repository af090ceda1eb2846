"""What stops a training, with what usually helps."""

from __future__ import annotations

import itertools
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..data.place import free_device_memory, free_memory
from ..errors import GraphError, RunError, ran_out, reason_of
from ..graph.slips import failed
from ..program.cost import memory_text, predict
from ..program.in_place import overwritten
from ..program.program import Program
from ..world import current, in_store
from .precision import Precision

__all__ = ["enough_memory", "fails_everywhere", "no_backward", "not_finite", "too_large"]

GIB = 2**30
TOGETHER = 60.0  # seconds in which all processes fail where one does

_failed = itertools.count()  # the same number in every process


def too_large(batch: int, program: Program, precision: Precision, device: torch.device, error: Exception) -> RunError:
    """A step that the device has too little memory for: where it ran out, what it should need, and what is there."""
    name = program.node_in(error)
    traceback.clear_frames(error.__traceback__)  # which hold what the step had made so far
    forecast = _forecast(program, precision, device)
    return RunError(
        f"a step with a batch of {batch} does not fit the memory of {device}{f', at {name!r}' if name else ''} "
        f"({_said(error)}).{forecast} "
        "A smaller data.batch, data.batch: auto, or recompute: true in the encoder helps."
    )


@contextmanager
def enough_memory(what: str, remedy: str) -> Iterator[None]:
    """Meanwhile what the memory is too little for is a RunError. what: was going on. remedy: what helps."""
    try:
        yield
    except Exception as error:
        if not ran_out(error):
            raise
        free = f"{free_memory() / GIB:,.1f} GiB are free now"
        raise RunError(f"memory has run out {what} ({_said(error)}); {free}. {remedy}") from error


def no_backward(error: BaseException, program: Program, precision: Precision, device: torch.device) -> RunError:
    """A backward pass that failed. Of a tensor that was written into meanwhile, tensors without data tell the line."""
    if overwritten(error):
        try:
            predict(program.graph, program.shapes, device, precision.dtype)
        except GraphError as found:
            return RunError(str(found))
        except Exception:  # whatever a component raises, or memory: it is the first error that counts
            pass
    return failed("the backward pass failed", error)


def _said(error: BaseException) -> str:
    """What an allocator says, without the line of its own code."""
    found = reason_of(error).partition("DefaultCPUAllocator: ")
    return (found[2] or found[0]).rstrip(".")


def _forecast(program: Program, precision: Precision, device: torch.device) -> str:
    """What the step should need, of which `check` tells too; nothing where that cannot be said."""
    processes = program.placing.processes
    shapes = program.shapes if processes == 1 else None  # of a process's part nothing is at hand
    if shapes is None:
        return ""
    try:
        cost = predict(program.graph, shapes, device, precision.dtype)
    except Exception:  # whatever a component raises, or memory
        return ""
    free = free_device_memory(device) if device.type == "cuda" else free_memory()
    return f" It should need {memory_text(cost, precision.name)}, and {free / GIB:,.1f} GiB are free now."


def not_finite(step: int, terms: str, checkpoint: Path | None) -> RunError:
    """A loss that is infinite or no number. step: from 0. terms: their values. checkpoint: the last good one."""
    kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint yet"
    return RunError(
        f"the loss is not finite at step {step + 1} ({terms}); {kept}. "
        "A lower learning rate, a longer warm-up, train.clip or fp32 usually help."
    )


def fails_everywhere() -> bool:
    """Whether what has failed here has in every process, so that all can go on without it: none waits for another then.

    Said in the store that they share, not between them: one that has not failed may wait for something else there.
    """
    world = current()
    if world.size == 1:
        return True
    key, until = f"graphssl/failed/{next(_failed)}", time.monotonic() + TOGETHER
    said = in_store(lambda store: store.add(key, 1))
    while said is not None and said < world.size and time.monotonic() < until:
        time.sleep(0.05)
        said = in_store(lambda store: store.add(key, 0))
    return said == world.size
