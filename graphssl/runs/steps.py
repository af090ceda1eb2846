"""Some steps of a graph on random pictures, before anything is trained: what they take."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from ..checks.checked import Checked
from ..checks.inference import infer
from ..program.assemble import compile_graph
from ..program.blank import blank
from ..train.precision import Precision, resolve
from ..train.step import Step

__all__ = ["take_steps"]


def take_steps(
    checked: Checked, device: torch.device, precision: Precision, batch: int, count: int
) -> Iterator[float]:  # fmt: skip
    """So many eager steps with random pictures; the seconds of each, without the reading of data."""
    graph, facts = checked.graph.with_batch(batch), checked.data
    train = graph.spec.train.model_copy(update={"compile": "off"})
    program = compile_graph(graph, infer(graph, facts, batch), device, train.seed)
    own = resolve(precision.name, device)  # with a gradient scaler of its own
    step = Step(program, train, own, device, count, count)
    generator = torch.Generator(device).manual_seed(train.seed)
    for t in range(count):
        pictures = [blank(program, device, generator)] * train.accumulate
        start = time.perf_counter()
        step(t, pictures)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        yield time.perf_counter() - start
