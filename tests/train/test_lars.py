"""LARS against its algorithm written out in float64, one tensor at a time."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from graphssl.train.lars import LARS

LR, MOMENTUM, ETA, DECAY = 0.4, 0.9, 0.02, 0.05


def plain_lars(w: Tensor, gradients: list[Tensor], rates: list[float], adapted: bool, decay: float) -> Tensor:
    """Algorithm 1 with the norm of gradient plus decay, and the rate outside of the momentum (BYOL's code)."""
    w, m = w.clone(), torch.zeros_like(w)
    for g, lr in zip(gradients, rates, strict=True):
        u = g + decay * w
        w_norm, u_norm = (w * w).sum().sqrt().item(), (u * u).sum().sqrt().item()
        trust = ETA * w_norm / u_norm if adapted and w_norm > 0 and u_norm > 0 else 1.0
        m = MOMENTUM * m + trust * u
        w = w - lr * m
    return w


def parameters(dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(3)
    shapes = [(4, 3), (2, 3, 3, 3), (5,)]
    return [nn.Parameter(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype)) for s in shapes]


def gradients_for(weights: list[nn.Parameter], steps: int) -> list[list[Tensor]]:
    generator = torch.Generator().manual_seed(4)
    return [
        [torch.randn(w.shape, generator=generator, dtype=torch.float64).to(w.dtype) for w in weights]
        for _ in range(steps)
    ]


def train(optimizer: LARS, weights: list[nn.Parameter], gradients: list[list[Tensor]]) -> None:
    for step in gradients:
        for w, g in zip(weights, step, strict=True):
            w.grad = g.clone()
        optimizer.step()


def two_groups(weights: list[nn.Parameter], lr: float | Tensor = LR) -> LARS:
    groups = [
        {"params": weights[:2], "weight_decay": DECAY, "adapted": True},
        {"params": weights[2:], "weight_decay": 0.0, "adapted": False},
    ]
    return LARS(groups, lr=lr, momentum=MOMENTUM, eta=ETA)


def test_several_steps_of_both_kinds_of_groups() -> None:
    weights = parameters()
    before = [w.detach().clone() for w in weights]
    gradients = gradients_for(weights, 5)
    train(two_groups(weights), weights, gradients)
    for i, w in enumerate(weights):
        adapted = i < 2
        expected = plain_lars(before[i], [g[i] for g in gradients], [LR] * 5, adapted, DECAY if adapted else 0.0)
        torch.testing.assert_close(w.detach(), expected, rtol=1e-12, atol=1e-12)


def test_the_rate_stands_outside_of_the_momentum() -> None:
    weights = parameters()
    before, gradients = weights[0].detach().clone(), gradients_for(weights, 4)
    optimizer, rates = two_groups(weights), [0.4, 0.1, 0.7, 0.0]
    for rate, step in zip(rates, gradients, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        train(optimizer, weights, [step])
    expected = plain_lars(before, [g[0] for g in gradients], rates, True, DECAY)
    torch.testing.assert_close(weights[0].detach(), expected, rtol=1e-12, atol=1e-12)


def test_a_group_that_is_not_adapted_is_sgd_with_momentum() -> None:
    ours, theirs = parameters(), parameters()
    lars = LARS(ours, lr=LR, momentum=MOMENTUM, weight_decay=DECAY, adapted=False)
    sgd = torch.optim.SGD(theirs, lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
    for step in gradients_for(ours, 4):
        for a, b, g in zip(ours, theirs, step, strict=True):
            a.grad, b.grad = g.clone(), g.clone()
        lars.step()
        sgd.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("decay", [0.0, DECAY])
def test_a_zero_weight_takes_the_plain_step(decay: float) -> None:
    w = nn.Parameter(torch.zeros(3, 2, dtype=torch.float64))
    g = torch.arange(6, dtype=torch.float64).view(3, 2)
    w.grad = g.clone()
    LARS([w], lr=LR, momentum=MOMENTUM, eta=ETA, weight_decay=decay).step()
    torch.testing.assert_close(w.detach(), -LR * g, rtol=0, atol=0)


def test_a_zero_gradient_leaves_a_weight_without_decay_where_it_is() -> None:
    w = nn.Parameter(torch.ones(3, 2))
    w.grad = torch.zeros(3, 2)
    LARS([w], lr=LR, momentum=MOMENTUM, eta=ETA).step()
    assert torch.equal(w, torch.ones(3, 2))


def test_a_zero_gradient_with_decay_shrinks_by_eta() -> None:
    w = nn.Parameter(torch.ones(3, 2, dtype=torch.float64))
    w.grad = torch.zeros(3, 2, dtype=torch.float64)
    LARS([w], lr=LR, momentum=MOMENTUM, eta=ETA, weight_decay=DECAY).step()
    torch.testing.assert_close(w.detach(), torch.full((3, 2), 1 - LR * ETA, dtype=torch.float64))


def test_a_zero_pair_does_not_spoil_the_others_of_its_group() -> None:
    weights = [nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.ones(2, 2))]
    for w in weights:
        w.grad = torch.zeros(2, 2)
    LARS(weights, lr=LR, eta=ETA, weight_decay=DECAY).step()
    assert torch.equal(weights[0], torch.zeros(2, 2))
    assert torch.isfinite(weights[1]).all()
    assert (weights[1] < 1).all()


@pytest.mark.parametrize("decay", [0.0, DECAY])
def test_gradients_are_not_written(decay: float) -> None:
    weights = parameters()
    optimizer = LARS(weights, lr=LR, weight_decay=decay)
    for _ in range(2):
        kept = [torch.randn_like(w) for w in weights]
        for w, g in zip(weights, kept, strict=True):
            w.grad = g.clone()
        optimizer.step()
        assert all(torch.equal(w.grad, g) for w, g in zip(weights, kept, strict=True))  # type: ignore[arg-type]


def test_parameters_without_a_gradient_are_left_alone() -> None:
    weights = parameters()
    before = [w.detach().clone() for w in weights]
    weights[0].grad = torch.ones_like(weights[0])
    optimizer = two_groups(weights)
    optimizer.step()
    assert not torch.equal(weights[0], before[0])
    assert torch.equal(weights[1], before[1])
    assert torch.equal(weights[2], before[2])
    assert set(optimizer.state) == {weights[0]}


def test_a_rate_in_a_tensor_gives_the_same_step() -> None:
    ours, theirs = parameters(), parameters()
    gradients = gradients_for(ours, 3)
    train(two_groups(ours), ours, gradients)
    train(two_groups(theirs, torch.tensor(LR, dtype=torch.float64)), theirs, gradients)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_resumed_run_goes_on_bit_for_bit() -> None:
    straight = parameters(torch.float32)
    gradients = gradients_for(straight, 6)
    optimizer = two_groups(straight)
    train(optimizer, straight, gradients[:3])
    resumed = [nn.Parameter(w.detach().clone()) for w in straight]
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    second = two_groups(resumed, lr=99.0)
    second.load_state_dict(torch.load(file, weights_only=True))
    train(optimizer, straight, gradients[3:])
    train(second, resumed, gradients[3:])
    assert all(torch.equal(a, b) for a, b in zip(straight, resumed, strict=True))
    assert [g["adapted"] for g in second.param_groups] == [True, False]


def test_state_keys() -> None:
    weights = parameters()
    optimizer = two_groups(weights)
    train(optimizer, weights, gradients_for(weights, 1))
    state = copy.deepcopy(optimizer.state_dict())
    assert {tuple(s) for s in state["state"].values()} == {("momentum_buffer",)}


def test_float32_is_near_float64() -> None:
    weights = parameters(torch.float32)
    before = weights[1].detach().double()
    gradients = gradients_for(weights, 5)
    train(two_groups(weights), weights, gradients)
    expected = plain_lars(before, [g[1].double() for g in gradients], [LR] * 5, True, DECAY)
    torch.testing.assert_close(weights[1].detach().double(), expected, rtol=1e-5, atol=1e-6)


def test_nothing_is_read_back_from_the_device() -> None:
    """A step on meta tensors, whose values cannot be read, goes through."""
    weights = [nn.Parameter(torch.empty(4, 3, device="meta")), nn.Parameter(torch.empty(4, device="meta"))]
    for w in weights:
        w.grad = torch.empty_like(w)
    LARS(weights, lr=LR, weight_decay=DECAY).step()
    assert weights[0].is_meta


def test_closure_gives_the_loss_and_the_gradient() -> None:
    w = nn.Parameter(torch.ones(2, 2))
    optimizer = LARS([w], lr=LR)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 4.0
    assert (w < 1).all()


@pytest.mark.parametrize("bad", [{"lr": -1.0}, {"momentum": 1.0}, {"eta": -1e-3}, {"weight_decay": -1.0}])
def test_values_out_of_range(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(bad))} is {next(iter(bad.values()))}"):
        LARS(parameters(), **{"lr": LR, **bad})  # type: ignore[arg-type]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_no_synchronisation_on_a_gpu() -> None:
    weights = [nn.Parameter(w.detach().cuda()) for w in parameters(torch.float32)]
    before, gradients = weights[0].detach().cpu().double(), gradients_for(weights, 3)
    optimizer = two_groups(weights)
    on_device = [[g.cuda() for g in step] for step in gradients]
    torch.cuda.set_sync_debug_mode("error")
    try:
        train(optimizer, weights, on_device)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    expected = plain_lars(before, [g[0].double() for g in gradients], [LR] * 3, True, DECAY)
    torch.testing.assert_close(weights[0].detach().cpu().double(), expected, rtol=1e-5, atol=1e-6)


def test_a_gradient_scaler_is_divided_out_and_obeyed() -> None:
    weights = parameters(torch.float32)
    before, optimizer = [w.detach().clone() for w in weights], two_groups(weights)
    scaler = GradScaler("cpu", init_scale=1024.0)
    scaler.scale(torch.ones(()))  # makes the scale
    taken, skipped = gradients_for(weights, 4), 1
    for t, step in enumerate(taken):
        kept = [w.detach().clone() for w in weights]
        for w, g in zip(weights, step, strict=True):
            w.grad = g * 1024
        if t == skipped:
            weights[2].grad[0] = float("nan")  # of another group than the first
        scaler.step(optimizer)
        scaler.update(1024.0)
        assert all(torch.equal(w, k) for w, k in zip(weights, kept, strict=True)) == (t == skipped)
    del taken[skipped]
    for i, w in enumerate(weights):
        decay = DECAY if i < 2 else 0.0
        expected = plain_lars(before[i].double(), [g[i].double() for g in taken], [LR] * 3, i < 2, decay)
        torch.testing.assert_close(w.detach().double(), expected, rtol=1e-5, atol=1e-6)
