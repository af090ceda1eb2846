"""What many tests start from: images and batches under a seed, and the program or the step of a checked graph."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch
from conftest import Write
from torch import Tensor
from torch.amp import GradScaler

from graphssl.checks.checked import Checked, check
from graphssl.checks.inference import infer
from graphssl.checks.shapes import Shapes
from graphssl.component import DataFacts
from graphssl.data import Batch
from graphssl.graph.graph import Graph
from graphssl.graph.language.packaged import packaged
from graphssl.graph.read import load
from graphssl.program.assemble import compile_graph
from graphssl.program.program import Program
from graphssl.train.commit import end_epoch
from graphssl.train.precision import resolve
from graphssl.train.replay import Recorder
from graphssl.train.step import Step

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
# Recipes for other data are left out, and edits of methods, which tests/graphs/test_variants.py tries.
METHODS = [g for g in packaged() if not g.startswith(("cifar10/", "imagenet/", "variants/"))]


def images(b: int, h: int = 32, w: int = 32, seed: int = 0, generator: torch.Generator | None = None) -> Tensor:
    """Bytes, `b 3 h w`."""
    generator = generator or torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (b, 3, h, w), dtype=torch.uint8, generator=generator)


def batch(b: int = 16, seed: int = 0) -> Batch:
    """The first samples of a data set, all of one class."""
    return Batch(images(b, seed=seed), torch.arange(b), torch.zeros(b, dtype=torch.int64))


def shuffled(b: int = 16, seed: int = 0, device: torch.device = CPU) -> Batch:
    """Samples from anywhere among 1500, of four classes."""
    generator = torch.Generator().manual_seed(seed)
    fields = images(b, generator=generator), torch.randperm(1500, generator=generator)[:b], torch.arange(b) % 4
    return Batch(*(field.to(device) for field in fields))


KNOWN: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[Graph, Shapes]] = {}


def shaped(write: Write, text: str, *changes: tuple[str, str]) -> tuple[Graph, Shapes]:
    """A graph without the rules: what a program is does not depend on whether it is wise."""
    if (text, changes) not in KNOWN:
        graph = load(write(text, *changes))
        KNOWN[text, changes] = graph, infer(graph, DataFacts(samples=1500, classes=10), graph.spec.data.batch)
    return KNOWN[text, changes]


def program(write: Write, text: str, *changes: tuple[str, str], device: torch.device = CPU, seed: int = 0) -> Program:
    """The program of a graph's text with changes."""
    return compile_graph(*shaped(write, text, *changes), device, seed)


def program_of(checked: Checked, device: torch.device = CPU, seed: int = 0) -> Program:
    return compile_graph(checked.graph, checked.shapes, device, seed)


def lines(program: Program) -> list[str]:
    """The code of a step."""
    return [line.strip() for line in program.code().splitlines()]


def arguments(program: Program, b: int = 16, seed: int = 0, size: int = 32, **fields: Tensor) -> tuple[Any, ...]:
    """What a program's forward pass takes: of a batch as `batch` gives it, unless `fields` say otherwise, and draws."""
    generator = torch.Generator().manual_seed(seed)
    given = Batch(images(b, size, size, generator=generator), torch.arange(b), torch.zeros(b, dtype=torch.int64))
    given = given._replace(**fields)
    return (*(getattr(given, name) for name in program.inputs), *program.draw(b, generator, CPU))


def fresh(
    checked: Checked, recorder: Recorder | None = None, device: torch.device = CPU, precision: str = "fp32",
    steps: int = 10, steps_per_epoch: int = 5, epoch_ended: bool = True,
) -> Step:  # fmt: skip
    """A step whose weights are those of the graph's seed.

    epoch_ended: what is written at the end of an epoch is, without which some methods have nothing to learn yet.
    """
    train = checked.graph.spec.train
    program = program_of(checked, device, train.seed)
    if epoch_ended:
        end_epoch(program, train.seed, 0)
    return Step(program, train, resolve(precision, device), device, steps, steps_per_epoch, recorder)


def make(write: Write, text: str, *changes: tuple[str, str], **options: Any) -> Step:
    """The step of a graph's text with changes. options: of `fresh`."""
    return fresh(check(write(text, *changes)), **options)


def weights(step: Step) -> dict[str, Tensor]:
    """Weights and states as they are now."""
    return {name: value.clone() for name, value in step.program.forward.state_dict().items()}


def scaled(step: Step, scale: float = 2.0**10, **options: Any) -> GradScaler:
    """A gradient scaler for the step. A scale of infinity makes every gradient overflow until it is lowered."""
    scaler = GradScaler("cpu", init_scale=scale, **options)
    object.__setattr__(step.precision, "scaler", scaler)
    return scaler


def same(one: Any, other: Any, name: str = "") -> None:
    """Asserts that two states are equal, bit for bit."""
    if isinstance(one, Tensor):
        assert torch.equal(one, other), name
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), name
        for key in one:
            same(one[key], other[key], f"{name}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), name
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            same(a, b, f"{name}.{i}")
    else:
        assert one == other, name


def days_ago(path: Path, read: float, written: float, text: str = "code") -> Path:
    """Writes a file that was read and written so many days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - 24 * 3600 * read, time.time() - 24 * 3600 * written))
    return path
