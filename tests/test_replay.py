"""A recorded step computes what the step computes; on a CPU by a tape of operations, on a GPU by a CUDA graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from tape import Tape, recorded, unrecorded
from torch import Tensor

import graphssl
from graphssl.api import check
from graphssl.checked import Checked
from graphssl.compiler import compile_graph
from graphssl.data import Batch
from graphssl.source import packaged
from graphssl.train.precision import resolve
from graphssl.train.replay import WARM_UP, Recorder
from graphssl.train.step import Step

CPU = torch.device("cpu")
METHODS = [g for g in packaged() if not g.startswith(("cifar10/", "imagenet/"))]
SETS = ["data.batch=8", "train.schedule={shape: cosine, warmup: 1}"]


def batch(b: int = 8, seed: int = 0, device: torch.device = CPU) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (b, 3, 32, 32), dtype=torch.uint8, generator=generator)
    fields = image, torch.randperm(1500, generator=generator)[:b], torch.arange(b) % 4
    return Batch(*(t.to(device) for t in fields))


def fresh(
    checked: Checked, recorder: Recorder | None = None, device: torch.device = CPU, precision: str = "fp32"
) -> Step:
    program = compile_graph(checked.graph, checked.shapes, device)
    return Step(program, checked.graph.spec.train, resolve(precision, device), device, 10, 5, recorder)


def state(step: Step) -> list[tuple[str, Tensor]]:
    optimizer = step.optimizer.state_dict()["state"]
    moments = [(f"{k} of {i}", v) for i, s in optimizer.items() for k, v in s.items() if isinstance(v, Tensor)]
    return [*step.program.forward.state_dict().items(), *moments]


def same(one: Step, other: Step) -> None:
    for (name, a), (_, b) in zip(state(one), state(other), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_recorded(name: str) -> None:
    """Launched again with other batches, seeds, rates and schedules, and with a short batch between."""
    checked = graphssl.check(name, SETS)
    plain = unrecorded(lambda r: fresh(checked, r))
    step, recorder = recorded(lambda r: fresh(checked, r))
    for number in range(WARM_UP + 3):
        given = [batch(seed=number)]
        a, b = plain(number, given), step(number, given)
        assert torch.equal(a["loss"], b["loss"])
        assert all(torch.equal(a["terms"][k], b["terms"][k]) for k in a["terms"])
    assert recorder.launched == 3
    assert step.replay is not None
    assert step.replay.active
    same(plain, step)


def test_a_short_batch_is_computed_as_it_is(write: Write) -> None:
    checked = check(write(MOCO, ("batch: 16", "batch: 8")))
    plain = unrecorded(lambda r: fresh(checked, r))
    step, recorder = recorded(lambda r: fresh(checked, r))
    for number, b in enumerate([4, 8, 8, 8, 8, 4, 8]):  # a resumed run may begin with the last batch of an epoch
        given = [batch(b, number)]
        plain(number, given), step(number, given)
    assert recorder.launched == 2
    same(plain, step)


def test_accumulated_batches_are_recorded_together(write: Write) -> None:
    checked = check(write(MOCO, ("batch: 16", "batch: 8"), ("{epochs", "{accumulate: 2, epochs")))
    plain = unrecorded(lambda r: fresh(checked, r))
    step, recorder = recorded(lambda r: fresh(checked, r))
    for number in range(WARM_UP + 2):
        given = [batch(seed=2 * number), batch(seed=2 * number + 1)]
        plain(number, given), step(number, given)
    assert recorder.launched == 2
    same(plain, step)


def test_a_step_that_cannot_be_recorded_says_why_and_goes_on(write: Write) -> None:
    checked = check(write(SIMCLR))
    plain = unrecorded(lambda r: fresh(checked, r))
    step, recorder = recorded(lambda r: fresh(checked, r))

    def waits(module: Any, args: Any, output: Tensor) -> None:
        float(output.detach().sum())

    step.program.node("projector").register_forward_hook(waits)
    for number in range(WARM_UP + 2):
        given = [batch(16, number)]
        a, b = plain(number, given), step(number, given)
        assert torch.equal(a["loss"], b["loss"])
    assert step.replay is not None
    assert step.replay.reason == "aten._local_scalar_dense.default waits for the device"
    assert not step.replay.active
    assert recorder.launched == 0
    same(plain, step)


def test_the_first_loss_that_is_not_finite_is_remembered(write: Write) -> None:
    step, _ = recorded(lambda r: fresh(check(write(SIMCLR)), r))
    for number in range(WARM_UP + 1):
        step(number, [batch(16, number)])
    assert step.first_not_finite() is None
    with torch.no_grad():
        next(iter(step.program.node("projector").parameters())).fill_(float("nan"))
    for number in range(WARM_UP + 1, WARM_UP + 3):
        step(number, [batch(16, number)])
    assert step.first_not_finite() == WARM_UP + 1


@pytest.mark.parametrize("wait", [lambda x: x.item(), lambda x: x.nonzero(), lambda x: torch.ones(1)[x > 0]])
def test_the_tape_notices_waits(wait: Any) -> None:
    x = torch.ones(1)
    with pytest.raises(RuntimeError, match="waits for the device"), Tape():
        wait(x)


@pytest.mark.parametrize("precision", ["fp32", "auto", "fp16"])
@pytest.mark.parametrize("compiled", ["off", "on"])
@pytest.mark.parametrize("text", [BYOL, SIMCLR, MOCO], ids=["byol", "simclr", "moco"])
@pytest.mark.gpu
def test_on_a_gpu_a_recorded_step_is_the_step(write: Write, text: str, compiled: str, precision: str) -> None:
    device = torch.device("cuda")
    graph: Path = write(text, ("{epochs", f"{{compile: '{compiled}', epochs"))
    step = fresh(check(graph), None, device, precision)
    plain = fresh(check(graph, ["train.cuda_graph=off"]), None, device, precision)
    assert plain.replay is None
    for number in range(WARM_UP + 3):
        given = [batch(16, number, device)]
        a, b = plain(number, given), step(number, given)
        torch.testing.assert_close(a["loss"], b["loss"], rtol=1e-4, atol=1e-5)
    assert step.replay is not None
    assert step.replay.reason is None
    assert step.replay.active
    for (name, a), (_, b) in zip(state(plain), state(step), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.gpu
def test_on_a_gpu_a_step_that_cannot_be_recorded_says_why(write: Write) -> None:
    device = torch.device("cuda")
    step = fresh(check(write(SIMCLR, ("{epochs", "{compile: 'off', epochs"))), None, device)
    step.program.node("projector").register_forward_hook(
        lambda module, args, output: float(output.detach().sum()) and None
    )
    for number in range(WARM_UP + 3):
        step(number, [batch(16, number, device)])
    assert step.replay is not None
    assert step.replay.reason
    assert all(v.isfinite().all() for _, v in state(step))


@pytest.mark.gpu
def test_on_a_gpu_nothing_waits_for_a_recorded_step(write: Write) -> None:
    device = torch.device("cuda")
    step = fresh(check(write(MOCO)), None, device)
    batches = [batch(16, n, device) for n in range(WARM_UP + 3)]
    for number in range(WARM_UP + 1):
        step(number, [batches[number]])
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number in range(WARM_UP + 1, WARM_UP + 3):
            step(number, [batches[number]])
    finally:
        torch.cuda.set_sync_debug_mode("default")
