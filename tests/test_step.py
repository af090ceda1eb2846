"""The optimizer step: order, accumulation, clipping, factors, and what a step that is skipped leaves alone."""

from __future__ import annotations

import copy

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from torch import Tensor

from graphssl.api import check
from graphssl.compiler import compile_graph
from graphssl.data import Batch
from graphssl.errors import RunError
from graphssl.train.precision import resolve
from graphssl.train.step import NonFiniteError, Step, compiles

CPU = torch.device("cpu")
# Without batch norm, a batch in two halves gives the gradient of the whole.
NO_NORM = (
    ("depth: 10, width: 8", "depth: 10, width: 8, norm: {use: group, groups: 4}"),
    ("out: 8}", "out: 8, norm: none}"),
)


def make(write: Write, text: str, *changes: tuple[str, str], steps: int = 10) -> Step:
    checked = check(write(text, *changes))
    program = compile_graph(checked.graph, checked.shapes, CPU, checked.graph.spec.train.seed)
    return Step(program, checked.graph.spec.train, resolve("fp32", CPU), CPU, steps, 5)


def batch(b: int = 16, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (b, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return Batch(image, torch.arange(b), torch.zeros(b, dtype=torch.int64))


def weights(step: Step) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in step.program.forward.state_dict().items()}


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
        monkeypatch.setattr(step, "_optimize", lambda: False)
    b = batch()
    one = whole(0, [b])
    two = halves(0, [Batch(*(t[:8] for t in b)), Batch(*(t[8:] for t in b))])
    torch.testing.assert_close(one["loss"], two["loss"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(one["terms"]["byol"], two["terms"]["byol"], rtol=1e-5, atol=1e-6)
    for p, q in zip(whole.parameters, halves.parameters, strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-6)


def test_one_commit_for_each_optimizer_step(write: Write) -> None:
    step = make(write, MOCO, ("{epochs", "{accumulate: 2, epochs"))
    step(0, [batch(seed=0), batch(seed=1)])
    assert int(step.program.node("queue").head) == 32
    calls: list[int] = []
    commit = step._commit
    step._commit = lambda *c: (calls.append(len(c[0])), commit(*c))
    step(1, [batch(seed=2), batch(seed=3)])
    assert calls == [32]


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


class Scaler:
    """Skips every step, as a gradient scaler does after an overflow."""

    def __init__(self) -> None:
        self.value = 1024.0

    def scale(self, loss: Tensor) -> Tensor:
        return loss * self.value

    def unscale_(self, optimizer: object) -> None: ...

    def step(self, optimizer: object) -> None: ...

    def update(self) -> None:
        self.value /= 2

    def get_scale(self) -> float:
        return self.value

    def state_dict(self) -> dict[str, float]:
        return {"value": self.value}


def test_a_skipped_step_skips_its_updates(write: Write) -> None:
    step = make(write, MOCO)
    object.__setattr__(step.precision, "scaler", Scaler())
    before = weights(step)
    step(0, [batch()])
    after = weights(step)
    changed = [k for k in before if not torch.equal(before[k], after[k]) and "running" not in k and "tracked" not in k]
    assert not changed
    assert step.state()["scaler"] == {"value": 512.0}


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


def test_what_compile_means() -> None:
    cuda = torch.device("cuda")
    assert [compiles(c, CPU) for c in ("auto", "on", "off")] == [False, True, False]
    assert [compiles(c, cuda) for c in ("auto", "on", "off")] == [True, True, False]


@pytest.mark.slow
@pytest.mark.parametrize("text", [BYOL, MOCO], ids=["byol", "moco"])
def test_a_compiled_step_agrees_with_an_eager_one(write: Write, text: str) -> None:
    torch._dynamo.reset()
    eager, compiled = make(write, text), make(write, text, ("{epochs", "{compile: 'on', epochs"))
    assert compiled.compiled
    for t in range(2):
        a, b = eager(t, [batch(seed=t)]), compiled(t, [batch(seed=t)])
        torch.testing.assert_close(a["loss"], b["loss"], rtol=1e-3, atol=1e-4)
    for (key, x), y in zip(weights(eager).items(), weights(compiled).values(), strict=True):
        torch.testing.assert_close(x, y, rtol=2e-2, atol=2e-3, msg=lambda m, key=key: f"{key}: {m}")


@pytest.mark.gpu
@pytest.mark.parametrize("text", [BYOL, SIMCLR, MOCO], ids=["byol", "simclr", "moco"])
def test_nothing_in_a_step_waits_for_the_device(write: Write, text: str) -> None:
    checked = check(write(text, ("{epochs", "{compile: 'off', epochs")))
    device = torch.device("cuda")
    program = compile_graph(checked.graph, checked.shapes, device)
    step = Step(program, checked.graph.spec.train, resolve("auto", device), device, 10, 5)
    given = Batch(*(t.to(device) for t in batch()))
    step(0, [given])
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(1, [given])
    finally:
        torch.cuda.set_sync_debug_mode("default")
