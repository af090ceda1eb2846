"""A recorded step computes what the step computes; on a CPU by a tape of operations, on a GPU by a CUDA graph."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from helpers import CPU, METHODS, fresh, same, shuffled
from tape import Tape, recorded, unrecorded
from torch import Tensor

import graphssl
from graphssl.api import check
from graphssl.train.replay import WARM_UP, CudaRecorder
from graphssl.train.step import Step

SETS = ["data.batch=16", "train.schedule={shape: cosine, warmup: 1}"]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_recorded(name: str) -> None:
    """Launched again with other batches, seeds, rates and schedules, and with a short batch between."""
    checked = graphssl.check(name, SETS)
    plain = unrecorded(lambda r: fresh(checked, r))
    step, recorder = recorded(lambda r: fresh(checked, r))
    for number in range(WARM_UP + 3):
        given = [shuffled(16, number)]
        a, b = plain(number, given), step(number, given)
        assert torch.equal(a["loss"], b["loss"])
        assert all(torch.equal(a["terms"][k], b["terms"][k]) for k in a["terms"])
    assert recorder.launched == 3
    assert step.replay is not None
    assert step.replay.active
    same(plain.state(), step.state())


def test_a_short_batch_is_computed_as_it_is(write: Write) -> None:
    checked = check(write(MOCO, ("batch: 16", "batch: 8")))
    plain = unrecorded(lambda r: fresh(checked, r))
    step, recorder = recorded(lambda r: fresh(checked, r))
    for number, b in enumerate([4, 8, 8, 8, 8, 4, 8]):  # a resumed run may begin with the last batch of an epoch
        given = [shuffled(b, number)]
        plain(number, given), step(number, given)
    assert recorder.launched == 2
    same(plain.state(), step.state())


def test_accumulated_batches_are_recorded_together(write: Write) -> None:
    checked = check(write(MOCO, ("batch: 16", "batch: 8"), ("{epochs", "{accumulate: 2, epochs")))
    plain = unrecorded(lambda r: fresh(checked, r))
    step, recorder = recorded(lambda r: fresh(checked, r))
    for number in range(WARM_UP + 2):
        given = [shuffled(8, 2 * number), shuffled(8, 2 * number + 1)]
        plain(number, given), step(number, given)
    assert recorder.launched == 2
    same(plain.state(), step.state())


def test_a_step_that_cannot_be_recorded_says_why_and_goes_on(write: Write) -> None:
    checked = check(write(SIMCLR))
    plain = unrecorded(lambda r: fresh(checked, r))
    step, recorder = recorded(lambda r: fresh(checked, r))

    def waits(module: Any, args: Any, output: Tensor) -> None:
        float(output.detach().sum())

    step.program.node("projector").register_forward_hook(waits)
    for number in range(WARM_UP + 2):
        given = [shuffled(16, number)]
        a, b = plain(number, given), step(number, given)
        assert torch.equal(a["loss"], b["loss"])
    assert step.replay is not None
    assert str(step.replay.reason).endswith("RuntimeError: aten._local_scalar_dense.default waits for the device")
    assert not step.replay.active
    assert recorder.launched == 0
    same(plain.state(), step.state())


def test_the_reason_is_what_went_wrong_in_the_step(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what a node had caught before, nor that a broken recording cannot be ended."""
    step, recorder = recorded(lambda r: fresh(check(write(SIMCLR)), r))
    record = recorder.record

    def broken(*args: Any) -> Any:
        try:
            return record(*args)
        except Exception as error:
            raise RuntimeError("operation failed due to a previous error during capture") from error

    def recording(*_: Any) -> bool:
        return step.replay is not None and bool(step.replay._held)

    def fails(*_: Any) -> None:
        if recording():
            try:
                raise KeyError("some cache's")
            except KeyError:
                raise ValueError("cannot be recorded.") from None

    monkeypatch.setattr("graphssl.train.step.recording", recording)
    recorder.record = broken  # type: ignore[method-assign]
    step.program.node("projector").register_forward_hook(fails)
    for number in range(WARM_UP + 1):
        step(number, [shuffled(16, number)])
    assert step.replay is not None
    assert str(step.replay.reason).endswith("graph.yaml:12:6: 'projector' failed: cannot be recorded")


def test_recomputing_without_a_compiler_is_not_recorded(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = check(write(SIMCLR, ("width: 8", "width: 8, recompute: true")))
    plain, (step, _) = unrecorded(lambda r: fresh(checked, r)), recorded(lambda r: fresh(checked, r))
    for number in range(WARM_UP + 2):
        plain(number, [shuffled(16, number)])
    assert step.replay is not None
    monkeypatch.setattr("graphssl.graph.recompute._recorded", lambda _: bool(step.replay and step.replay._held))
    for number in range(WARM_UP + 2):
        step(number, [shuffled(16, number)])
    reason = "recompute reads the state of the random generators, unless the step is compiled"
    assert str(step.replay.reason).endswith(reason)
    same(plain.state(), step.state())


class Generator:
    """A generator on a CUDA device, which keeps refusing to draw while it takes a recording to be under way."""

    def __init__(self) -> None:
        self.fresh: torch.Generator | None = None

    def initial_seed(self) -> int:
        return 5

    def graphsafe_set_state(self, fresh: torch.Generator) -> None:
        self.fresh = fresh


class Device:
    """What `CudaRecorder` asks of torch.cuda. breaks: whether CUDA breaks the recording off: ending it fails too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, breaks: bool) -> None:
        self.breaks, self.waiting, self.stream, self.ended = breaks, 0, "default", list[str]()
        self.default = Generator()
        fakes = {
            "Stream": lambda _: SimpleNamespace(device=CPU, index=0), "stream": self.on, "graph": self.graph,
            "CUDAGraph": lambda: SimpleNamespace(register_generator_state=lambda _: None),
            "graph_pool_handle": lambda: "pool", "default_generators": {None: self.default},
            "get_sync_debug_mode": lambda: 0, "set_sync_debug_mode": lambda mode: setattr(self, "waiting", mode),
        }  # fmt: skip
        for name, fake in fakes.items():
            monkeypatch.setattr(torch.cuda, name, fake)
        monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", self.end, raising=False)

    @contextlib.contextmanager
    def on(self, stream: Any) -> Iterator[None]:
        before, self.stream = self.stream, "side"
        try:
            yield
        finally:
            self.stream = before

    @contextlib.contextmanager
    def graph(self, graph: Any, pool: str, stream: Any, capture_error_mode: str) -> Iterator[None]:
        self.stream = "side, by the graph"
        try:
            yield
        finally:
            if self.breaks:
                raise RuntimeError("a previous error during capture")
            self.stream = "side"

    def end(self, index: int | None, pool: str) -> None:
        self.ended.append(pool)
        if not self.breaks:
            raise RuntimeError("not currently recording to mempool_id")


@pytest.mark.parametrize("breaks", [False, True])
def test_what_a_recording_that_failed_leaves_behind(monkeypatch: pytest.MonkeyPatch, breaks: bool) -> None:
    """Nothing: neither the other stream, nor memory put off, nor generators that take it to be under way."""
    device, generator = Device(monkeypatch, breaks), Generator()

    def waits() -> dict[str, Any]:
        assert (device.waiting, device.stream) == ("error", "side, by the graph")
        raise RuntimeError("called a synchronizing CUDA operation")

    with pytest.raises(RuntimeError, match="previous error" if breaks else "synchronizing"):
        CudaRecorder(CPU).record(waits, [generator])  # type: ignore[list-item]
    assert (device.waiting, device.stream, device.ended) == (0, "default", ["pool"])
    for each in (generator, device.default):
        assert each.fresh is not None
        assert each.fresh.initial_seed() == 5


def test_a_recording_that_ends_well_is_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    device, generator = Device(monkeypatch, False), Generator()
    assert CudaRecorder(CPU).record(lambda: {"loss": 1}, [generator]) == {"loss": 1}  # type: ignore[list-item]
    assert (device.waiting, device.stream, device.ended, generator.fresh) == (0, "default", [], None)


def test_the_first_loss_that_is_not_finite_is_remembered(write: Write) -> None:
    step, _ = recorded(lambda r: fresh(check(write(SIMCLR)), r))
    for number in range(WARM_UP + 1):
        step(number, [shuffled(16, number)])
    assert step.first_not_finite() is None
    with torch.no_grad():
        next(iter(step.program.node("projector").parameters())).fill_(float("nan"))
    for number in range(WARM_UP + 1, WARM_UP + 3):
        step(number, [shuffled(16, number)])
    assert step.first_not_finite() == WARM_UP + 1


def put(x: Tensor) -> None:
    torch.zeros(1)[x > 0] = x


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.item(), lambda x: x.nonzero(), lambda x: torch.ones(1)[x > 0], put, lambda x: x.multinomial(1),
        lambda x: torch.tensor([1.0]),
    ],
)  # fmt: skip
def test_the_tape_notices_waits(wait: Any) -> None:
    x = torch.ones(1)
    with pytest.raises(RuntimeError, match="waits for the device"), Tape():
        wait(x)


def state(step: Step) -> list[tuple[str, Tensor]]:
    optimizer = step.optimizer.state_dict()["state"]
    moments = [(f"{k} of {i}", v) for i, s in optimizer.items() for k, v in s.items() if isinstance(v, Tensor)]
    return [*step.program.forward.state_dict().items(), *moments]


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
        given = [shuffled(16, number, device)]
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
        step(number, [shuffled(16, number, device)])
    assert step.replay is not None
    assert step.replay.reason == "'projector' failed: RuntimeError: called a synchronizing CUDA operation"
    assert all(v.isfinite().all() for _, v in state(step))


@pytest.mark.gpu
def test_on_a_gpu_nothing_waits_for_a_recorded_step(write: Write) -> None:
    device = torch.device("cuda")
    step = fresh(check(write(MOCO)), None, device)
    batches = [shuffled(16, n, device) for n in range(WARM_UP + 3)]
    for number in range(WARM_UP + 1):
        step(number, [batches[number]])
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number in range(WARM_UP + 1, WARM_UP + 3):
            step(number, [batches[number]])
    finally:
        torch.cuda.set_sync_debug_mode("default")
