"""`data.batch: auto`: the largest batch that fits, found once, at the start of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from ..checks.checked import Checked, validated
from ..checks.inference import infer
from ..data.place import free_device_memory, free_memory
from ..errors import GraphError, RunError
from ..program.cost import predict
from ..train.precision import Precision
from ..world import current, of_all
from .steps import take_steps

__all__ = ["fit_batch"]

MULTIPLE = 32
CPU_MOST = 512  # more gains a CPU nothing
STEP_SHARE_OF_MEMORY = 0.5  # of what is free of the host's
STEP_SHARE_OF_DEVICE = 0.85  # of its free memory; a data set that is kept there takes up to an eighth
GIB = 2**30


def fit_batch(checked: Checked, device: torch.device, precision: Precision, report: Callable[[str], None]) -> Checked:
    """The graph with a number for `batch: auto`, which is reported; a graph that has a number as it is.

    It is the largest multiple of 32, or power of two below 32, that fits and that an epoch has: on a CPU by prediction,
    in half of what is free and not above 512, on a device by steps with random pictures. Where a rule refuses it, the
    next power of two. Of several processes each looks for its own part so, by itself, and the batch is as many times
    the smallest. Raises RunError where nothing fits, GraphError where every size is refused.
    """
    if not checked.graph.asks_for_batch:
        return checked
    most, reason = _most(checked, device)
    processes = current().size
    part = _rounded(most / processes)
    own, budget = _smallest(lambda: _fitted(checked, device, precision, part))
    if own < part:
        reason = f"the largest {f'multiple of {MULTIPLE}' if own >= MULTIPLE else 'power of two'} that fits"
        reason += f" {budget / GIB:.1f} GiB, the share of the free memory that is taken"
    fixed = _without_errors(checked, own, processes)
    batch = fixed.graph.spec.data.batch
    each = f", {batch // processes} in each of {processes} processes" if processes > 1 else ""
    refused = f"; the rules refuse {own * processes}" if batch < own * processes else ""
    report(f"batch auto: {batch}{each}, {reason}{refused}")
    return fixed


def _fitted(checked: Checked, device: torch.device, precision: Precision, most: int) -> tuple[int, int]:
    """The largest batch that fits here and is not above `most`, and the bytes that its step may take.

    Nothing goes between processes meanwhile, so that none waits for one that runs out of memory.
    """
    budget = _budget(device)
    found = _predicted(checked, device, precision, budget, most)
    if device.type == "cuda":
        found = _tried(checked, device, precision, budget, found, most)
    return found, budget


def _smallest(find: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    """The smallest of what the processes find; where one finds nothing, all raise its error."""
    found: tuple[int, int] | Exception
    try:
        found = find()
    except (RunError, GraphError) as error:
        found = error
    everybody = of_all(found)
    for other in everybody:
        if isinstance(other, Exception):
            raise other
    return min(other for other in everybody if isinstance(other, tuple))


def _budget(device: torch.device) -> int:
    """Bytes that a step may take, of the memory that the processes of a machine share, on a CPU."""
    if device.type == "cuda":
        return int(free_device_memory(device) * STEP_SHARE_OF_DEVICE)
    return int(free_memory() * STEP_SHARE_OF_MEMORY / current().here)


def _most(checked: Checked, device: torch.device) -> tuple[int, str]:
    """The largest batch that makes sense, and why."""
    graph = checked.graph
    samples = checked.data.samples
    have = _rounded(samples // graph.spec.train.accumulate) if samples else 1 << 20
    if device.type == "cuda" or have <= CPU_MOST:
        return have, f"as many as an epoch of {samples} samples has"
    return CPU_MOST, "the most that is taken on a CPU"


def _rounded(batch: float) -> int:
    """Down to a multiple of 32, below that to a power of two; at least 1."""
    whole = max(int(batch), 1)
    return whole // MULTIPLE * MULTIPLE if whole >= MULTIPLE else 1 << (whole.bit_length() - 1)


def _smaller(batch: int, share: float) -> int:
    """A share of a batch, and less than it."""
    return max(MULTIPLE, min(_rounded(batch * share), batch - MULTIPLE)) if batch > MULTIPLE else batch // 2


def _predicted(checked: Checked, device: torch.device, precision: Precision, budget: int, most: int) -> int:
    """The largest batch that the prediction lets fit: memory is nearly a line in the batch."""

    def memory(batch: int) -> int:
        graph = checked.graph.with_batch(batch)
        return predict(graph, infer(graph, checked.data, batch), device, precision.dtype).memory

    if most <= 2 * MULTIPLE:
        batch = most
    else:
        low, high = memory(MULTIPLE), memory(2 * MULTIPLE)
        slope = max(high - low, 1) / MULTIPLE
        batch = min(most, _rounded(max(MULTIPLE, MULTIPLE + (budget - low) / slope)))
    needed = memory(batch)
    while needed > budget:
        less = _smaller(batch, budget / needed)
        try:
            needed = memory(less) if less else needed
        except GraphError:  # too few for the graph
            less = 0
        if not less:
            raise RunError(
                f"data.batch is auto, and not even {batch} fits: a step needs {needed / GIB:.1f} GiB, "
                f"and {budget / GIB:.1f} GiB may be taken"
            )
        batch = less
    return batch


def _tried(checked: Checked, device: torch.device, precision: Precision, budget: int, batch: int, most: int) -> int:
    """The largest batch with which two steps ran within the budget, from the predicted one downwards, or once up."""
    refused = most + 1
    while (peak := _peak(checked, device, precision, batch)) is None or peak > budget:
        refused = batch
        if batch == 1:
            raise RunError(f"data.batch is auto, and not even 1 fits the memory of {device}")
        batch = _smaller(batch, 7 / 8 if peak is None else budget / peak)
    more = min(_rounded(batch * budget / max(peak, 1)), _rounded(refused - 1), most)
    if more > batch:
        peak = _peak(checked, device, precision, more)
        batch = batch if peak is None or peak > budget else more
    return batch


def _peak(checked: Checked, device: torch.device, precision: Precision, batch: int) -> int | None:
    """Bytes that two eager steps with random pictures reserve at most; None where they run out of memory."""
    before = torch.cuda.memory_reserved(device)
    torch.cuda.reset_peak_memory_stats(device)
    try:
        for _ in take_steps(checked, device, precision, batch, 2):  # the second has the optimizer's moments
            pass
    except torch.OutOfMemoryError:
        return None
    finally:
        torch.cuda.empty_cache()
    return torch.cuda.max_memory_reserved(device) - before


def _without_errors(checked: Checked, own: int, processes: int) -> Checked:
    """The graph with that batch in each process, or the largest power of two below it to which no rule objects."""
    refusal: GraphError | None = None
    for size in _candidates(own):
        try:
            return validated(checked.graph.with_batch(size * processes), checked.data)
        except GraphError as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def _candidates(batch: int) -> Iterator[int]:
    yield batch
    size = 1 << (batch - 1).bit_length()
    while size > 1:
        size //= 2
        yield size
