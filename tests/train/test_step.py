"""The optimizer step: order, accumulation, clipping, factors, and what a step that is skipped leaves alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from helpers import CUDA, batch, fresh, make, scaled, weights
from torch.utils._python_dispatch import TorchDispatchMode

from graphssl.api import check
from graphssl.components.augment import base
from graphssl.data import Batch
from graphssl.errors import RunError
from graphssl.train.step import NonFiniteError

# Without batch norm, a batch in two halves gives the gradient of the whole.
NO_NORM = (
    ("depth: 10, width: 8", "depth: 10, width: 8, norm: {use: group, groups: 4}"),
    ("out: 8}", "out: 8, norm: none}"),
)


def test_the_same_step_twice_is_the_same(write: Write) -> None:
    one, two = make(write, MOCO), make(write, MOCO)
    for t in range(3):
        a, b = one(t, [batch(seed=t)]), two(t, [batch(seed=t)])
        assert torch.equal(a["loss"], b["loss"])
    assert all(torch.equal(a, b) for a, b in zip(weights(one).values(), weights(two).values(), strict=True))


def test_randomness_depends_on_the_step_alone(write: Write) -> None:
    one, two = make(write, SIMCLR, ("lr: 0.05", "lr: 1e-12")), make(write, SIMCLR, ("lr: 0.05", "lr: 1e-12"))
    one(0, [batch()])
    first, again = one(1, [batch()])["loss"], two(1, [batch()])["loss"]
    torch.testing.assert_close(first, again, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(two(2, [batch()])["loss"], again, rtol=1e-4, atol=1e-5)


def test_targets_follow_after_the_optimizer(write: Write) -> None:
    step = make(write, BYOL, ("momentum: {from: 0.9, to: 1.0}", "momentum: 0.75"))
    before = weights(step)
    step(0, [batch()])
    after = weights(step)
    key = "conv1.weight"
    assert not torch.equal(before[f"encoder.{key}"], after[f"encoder.{key}"])
    expected = 0.75 * before[f"target.encoder.{key}"] + 0.25 * after[f"encoder.{key}"]
    torch.testing.assert_close(after[f"target.encoder.{key}"], expected)


def test_accumulated_halves_give_the_gradient_of_the_whole(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """With views that are the image itself, and no batch statistics."""
    plain = ("augment.byol, flip: 0", "augment.byol, crop: [1, 1], ratio: [1, 1], jitter: 0, grey: 0, flip: 0")
    changes = (*NO_NORM, plain, ("graph: byol", "allow: [G203]\ngraph: byol"))
    whole = make(write, BYOL, *changes)
    halves = make(write, BYOL, *changes, ("batch: 16", "batch: 8"), ("{epochs", "{accumulate: 2, epochs"))
    for step in (whole, halves):
        monkeypatch.setattr(step, "_optimize", lambda: None)
    b = batch()
    one = whole(0, [b])
    two = halves(0, [Batch(*(t[:8] for t in b)), Batch(*(t[8:] for t in b))])
    torch.testing.assert_close(one["loss"], two["loss"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(one["terms"]["byol"], two["terms"]["byol"], rtol=1e-5, atol=1e-6)
    for p, q in zip(whole.parameters, halves.parameters, strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-6)


def test_clipping_bounds_the_norm_of_the_whole_gradient(write: Write) -> None:
    step = make(
        write, SIMCLR, ("{epochs", "{clip: 1e-3, epochs"), ("lr: 0.05", "lr: 1.0, momentum: 0, weight_decay: 0")
    )
    before = [p.detach().clone() for p in step.parameters]
    step(0, [batch()])
    moved = torch.stack([(p.detach() - b).norm() for p, b in zip(step.parameters, before, strict=True)]).norm()
    assert float(moved) == pytest.approx(1e-3, rel=1e-3)


def test_a_node_with_factor_zero_stays(write: Write) -> None:
    step = make(
        write, SIMCLR, ("{epochs", "{nodes: {encoder: {lr: 0}}, epochs"), ("lr: 0.05", "lr: 0.05, weight_decay: 0")
    )
    before = weights(step)
    step(0, [batch()])
    after = weights(step)
    assert torch.equal(before["encoder.conv1.weight"], after["encoder.conv1.weight"])
    moved = [k for k in before if k.startswith("projector") and not torch.equal(before[k], after[k])]
    assert moved


SGD, LARS = "optimizer: {use: sgd, lr: 0.05}", "optimizer: {use: lars, lr: 0.05, momentum: 0.9}"
ADAM, CLIP = "optimizer: {use: adamw, lr: 1e-3}", "clip: 1.0, optimizer: {use: sgd, lr: 0.05}"
OPTIMIZERS = pytest.mark.parametrize("optimizer", [SGD, LARS, ADAM, CLIP], ids=["sgd", "lars", "adamw", "clip"])


@OPTIMIZERS
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["eager", "compiled"])
def test_a_skipped_step_leaves_everything_but_batch_statistics(write: Write, optimizer: str, compiled: bool) -> None:
    step = make(write, MOCO, (SGD, optimizer))
    if compiled:
        compiled_updates = torch.compile(step._functions.current["commit_unless"], fullgraph=True, dynamic=False)
        step._functions.current["commit_unless"] = compiled_updates
    scaler = scaled(step)
    step(0, [batch()])
    for name in ("queue", "target"):
        assert name in {c.node for c in step.program.graph.update_calls()}
    scaler._scale.fill_(float("inf"))
    before, adapted = weights(step), copy.deepcopy(step.optimizer.state_dict()["state"])
    step(1, [batch(seed=1)])
    after = weights(step)
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert all("running" in k or "tracked" in k for k in changed), changed
    assert int(step.program.node("queue").head) == 16
    for key, state in step.optimizer.state_dict()["state"].items():
        assert all(torch.equal(v, adapted[key][k]) for k, v in state.items()), f"{key} of the optimizer has moved"
    scaler._scale.fill_(2.0**10)
    step(2, [batch(seed=2)])
    taken = weights(step)
    assert int(step.program.node("queue").head) == 32
    assert not torch.equal(after["target.encoder.conv1.weight"], taken["target.encoder.conv1.weight"])
    assert all(v.isfinite().all() for v in taken.values())


@OPTIMIZERS
def test_a_first_step_that_is_skipped_leaves_no_trace(write: Write, optimizer: str) -> None:
    """Fused SGD would go on from a momentum that the skipped step left unwritten."""
    one, two = make(write, SIMCLR, (SGD, optimizer), *NO_NORM), make(write, SIMCLR, (SGD, optimizer), *NO_NORM)
    scaled(one), scaled(two, float("inf"))
    two(0, [batch(seed=9)])
    two.precision.scaler._scale.fill_(2.0**10)
    one(1, [batch()]), two(1, [batch()])
    for (key, a), b in zip(weights(one).items(), weights(two).values(), strict=True):
        assert torch.equal(a, b), key


@pytest.mark.parametrize("optimizer", [SGD, LARS, ADAM], ids=["sgd", "lars", "adamw"])
def test_the_scale_changes_nothing(write: Write, optimizer: str) -> None:
    plain, with_scale = make(write, MOCO, (SGD, optimizer)), make(write, MOCO, (SGD, optimizer))
    scaled(with_scale)
    for t in range(2):
        plain(t, [batch(seed=t)]), with_scale(t, [batch(seed=t)])
    for (key, a), b in zip(weights(plain).items(), weights(with_scale).values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7, msg=lambda m, key=key: f"{key}: {m}")


def test_the_state_of_the_scaler_is_saved_and_loaded(write: Write) -> None:
    one, two = make(write, SIMCLR), make(write, SIMCLR)
    scaled(one, float("inf"))
    one(0, [batch()])
    one.precision.scaler._scale.fill_(512.0)
    state = one.state()
    assert state["scaler"]["scale"] == 512.0
    assert scaled(two).get_scale() == 1024.0
    two.load(copy.deepcopy(state))
    assert two.precision.scaler.get_scale() == 512.0


class Reads(TorchDispatchMode):
    """Counts the numbers that are read from the device, for which a GPU would have to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@OPTIMIZERS
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_nothing_but_the_loss_is_read_in_a_step(write: Write, optimizer: str, precision: str) -> None:
    """The loss is read on a CPU only, where it costs nothing; what a GPU waits for is tested below."""
    step = make(write, MOCO, (SGD, optimizer))
    if precision == "fp16":
        scaled(step)
    step(0, [batch()])
    with Reads() as reads:
        float(torch.ones(()))
        assert reads.count == 1, "reads are counted"
        step(1, [batch()])
    assert reads.count == 2


def test_a_loss_that_is_not_finite_spoils_nothing(write: Write) -> None:
    step = make(write, SIMCLR)
    with torch.no_grad():
        next(iter(step.program.node("projector").parameters())).fill_(float("nan"))
    before = weights(step)
    with pytest.raises(NonFiniteError, match="ntxent = nan") as caught:
        step(0, [batch()])
    assert set(caught.value.terms) == {"ntxent"}
    after = weights(step)
    parameters = [k for k, _ in step.program.forward.named_parameters()]
    assert all(torch.equal(before[k].nan_to_num(), after[k].nan_to_num()) for k in parameters)


def test_a_failing_node_is_named_with_its_line(write: Write) -> None:
    step = make(write, SIMCLR)
    step.program.node("projector").register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(OverflowError("boom")))
    with pytest.raises(RunError, match=r"graph\.yaml:12:\d+: 'projector' failed: OverflowError: boom"):
        step(0, [batch()])


def test_memory_that_is_full_is_no_fault_of_a_node(write: Write) -> None:
    """`batch: auto` goes on with fewer."""
    step = make(write, SIMCLR)
    full = torch.OutOfMemoryError("CUDA out of memory.")
    step.program.node("projector").register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(torch.OutOfMemoryError):
        step(0, [batch()])


def test_state_and_load(write: Write) -> None:
    one, two = make(write, MOCO), make(write, MOCO, ("epochs: 2", "epochs: 2, seed: 5"))
    one(0, [batch()])
    object.__setattr__(two.train, "seed", 0)
    two.load(copy.deepcopy(one.state()))
    a, b = one(1, [batch()]), two(1, [batch()])
    assert torch.equal(a["loss"], b["loss"])
    assert all(torch.equal(x, y) for x, y in zip(weights(one).values(), weights(two).values(), strict=True))


def test_weights_are_channels_last_unless_told_otherwise(write: Write) -> None:
    weight = make(write, SIMCLR).program.node("encoder").conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    weight = make(write, SIMCLR, ("{epochs", "{channels_last: false, epochs")).program.node("encoder").conv1.weight
    assert weight.is_contiguous()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """With more, sums have another order, and a ReLU's input next to 0 another sign: that alone moves BYOL's gradient by
    4e-3 of its norm, from one eager step to the other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("text", [BYOL, SIMCLR, MOCO], ids=["byol", "simclr", "moco"])
def test_a_compiled_step_agrees_with_an_eager_one(write: Write, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same weights and views, in float32: the loss to 1e-5 of it, the gradient to 1e-3 of its norm."""
    monkeypatch.setattr(base, "SMALL", 0)
    torch._dynamo.reset()
    changes = ((ADAM, SGD),) if text == BYOL else ()  # Adam's first step is a sign, however small the gradient
    eager, compiled = make(write, text, *changes), make(write, text, *changes, ("{epochs", "{compile: 'on', epochs"))
    assert compiled.compiled
    losses, gradients = [], []
    for step in (eager, compiled):
        step.optimizer.zero_grad = lambda **_: None
        losses.append(step(0, [batch()])["loss"].detach())
        gradients.append(torch.cat([p.grad.flatten() for p in step.parameters]))
    torch.testing.assert_close(*losses, rtol=1e-5, atol=0)
    assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < 1e-3
    for (key, x), y in zip(weights(eager).items(), weights(compiled).values(), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-3, atol=1e-4, msg=lambda m, key=key: f"{key}: {m}")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "auto", "fp16"])
@pytest.mark.parametrize("text", [BYOL, SIMCLR, MOCO], ids=["byol", "simclr", "moco"])
def test_nothing_in_a_step_waits_for_the_device(write: Write, text: str, precision: str) -> None:
    without_waiting(write(text, ("{epochs", "{compile: 'off', epochs")), precision)


@pytest.mark.gpu
@OPTIMIZERS
def test_no_optimizer_waits_for_the_gradient_scaler(write: Write, optimizer: str) -> None:
    without_waiting(write(MOCO, (SGD, optimizer), ("{epochs", "{compile: 'off', epochs")), "fp16")


def without_waiting(path: Path, precision: str) -> None:
    step = fresh(check(path), device=CUDA, precision=precision)
    given = Batch(*(t.to(CUDA) for t in batch()))
    step(0, [given])
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(1, [given])
    finally:
        torch.cuda.set_sync_debug_mode("default")
