"""Batches on their way to the device: a GPU copies the next one while it trains on the one before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import torch
from torch.utils._pytree import tree_leaves, tree_map

from .batch import Batch

IN_FLIGHT = 4  # batches whose training has been asked for and is not done


def to_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches on `device`. On a GPU their tensors should be pinned: then nobody waits for the copy.

    The copy runs on a stream of its own, next to the training that was asked for before, and the training waits for it
    on the device. The host is only held back when it is four batches ahead: they would fill the memory.
    """
    if device.type == "cuda":
        return _beside_the_training(batches, device)
    return (moved(batch, device) for batch in batches)


def moved(batch: Batch, device: torch.device) -> Batch:
    """All tensors of a batch on a device, which a pinned one need not be waited for."""
    return tree_map(lambda values: values.to(device, non_blocking=True), batch)  # type: ignore[no-any-return]


def _beside_the_training(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    copying = torch.cuda.Stream(device)
    trained: deque[torch.cuda.Event] = deque()
    coming = iter(batches)
    while True:
        if len(trained) == IN_FLIGHT:
            trained.popleft().synchronize()
        with torch.cuda.stream(copying):  # what decodes on the device does it here too
            batch = next(coming, None)
            if batch is None:
                return
            there = moved(batch, device)
        training = torch.cuda.current_stream(device)
        training.wait_stream(copying)
        for values in tree_leaves(there):
            values.record_stream(training)
        yield there
        trained.append(_mark(device))


def _mark(device: torch.device) -> torch.cuda.Event:
    """Reached when what has been asked of the device so far is done."""
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))
    return event
