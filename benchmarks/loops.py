"""A graph's training loop for the benchmarks: that of `graphssl run`, without evaluation, tracking and checkpoints."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from common import wait

from graphssl.checks.checked import Checked
from graphssl.data import BadImages, Datasets, Stream
from graphssl.data.fit import Fit
from graphssl.data.opened import Opened
from graphssl.data.resident import Resident
from graphssl.graph.spec import Data
from graphssl.program.assemble import compile_graph
from graphssl.train.loop import Loop, Probe
from graphssl.train.precision import resolve
from graphssl.train.step import Step

EPOCHS = 100_000  # never reached: schedules stand still, where nothing else is said


class Nobody:
    """Takes what a loop shows, tracks and keeps, and does nothing with it."""

    def update(self, *_: Any) -> None: ...
    def message(self, *_: Any) -> None: ...
    def epoch_end(self, *_: Any) -> None: ...
    def metrics(self, *_: Any) -> None: ...
    def write(self, *_: Any) -> None: ...
    def latest_path(self) -> None: ...


class Until:
    """Ends a loop after so many optimizer steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.outcome: Any = None  # the loop's

    def __call__(self) -> int:
        return int(self.outcome.step == self.steps)

    def at_once(self) -> AbstractContextManager[None]:
        return nullcontext()


class Training:
    """Trains a graph for one epoch more at each call, and waits for the device. probe: learns beside it."""

    probe: Probe | None = None

    def __init__(self, checked: Checked, data: Datasets, device: torch.device, epochs: int = EPOCHS) -> None:
        self.spec, self.data, self.device = checked.graph.spec, data, device
        self.step = step_of(checked, device, data.train.steps, epochs=epochs)
        data.train.cut(self.step.program.cuts, "image" in self.step.program.inputs)
        self.done = 0

    @property
    def images(self) -> int:
        """Of an epoch."""
        return self.data.train.steps * self.spec.data.batch

    def __call__(self) -> None:
        nobody: Any = Nobody()
        per_epoch = self.step.steps_per_epoch
        stop: Any = Until(self.done + per_epoch)
        loop = Loop(
            self.step, self.data, self.spec.train, self.spec.evaluate.monitor, None, nobody, nobody, nobody, stop, {},
            probe=self.probe,
        )  # fmt: skip
        stop.outcome = loop.outcome
        loop.run(self.done)
        self.done = loop.outcome.step
        wait(self.device)


def step_of(
    checked: Checked, device: torch.device, per_epoch: int, processes: int = 1, epochs: int = EPOCHS
) -> Step:  # fmt: skip
    """A step with fresh weights, as `graphssl run` builds it. epochs: that schedules span."""
    train = checked.graph.spec.train
    program = compile_graph(checked.graph, checked.shapes, device, train.seed, processes=processes)
    return Step(program, train, resolve(train.precision, device), device, epochs * per_epoch, per_epoch)


def noise(data: Data, size: int, batches: int, device: torch.device) -> Datasets:
    """Pictures of noise for so many batches, kept on the device."""
    n = batches * data.batch
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=generator).to(device)
    pictures = Resident(image, torch.zeros(n, dtype=torch.int64), Fit(size, size), device)
    return Datasets(Stream(pictures, data, 0), Opened(pictures, pictures, (), "memory"), BadImages(), "")
