"""KoLeo against the paper's formula in float64, written with loops, and its limits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from graphssl.component import Sizes, build
from graphssl.components.objective import KoLeo


def node() -> Any:
    return build(KoLeo, sizes=Sizes())


def values(b: int = 7, d: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, d, generator=generator, dtype=torch.float64).requires_grad_()


def plain(x: Tensor) -> Tensor:
    """Sablayrolles et al. 2019, equation 2, with the 1e-8 of DINOv2's code."""
    unit = [a / (a @ a).sqrt() for a in x]
    total = torch.zeros((), dtype=torch.float64)
    for i, a in enumerate(unit):
        distances = [((a - c) ** 2).sum().sqrt() for j, c in enumerate(unit) if j != i]
        total = total + torch.log(min(distances) + 1e-8)
    return -total / len(x)


@pytest.mark.parametrize(("b", "d"), [(7, 3), (2, 4), (12, 2), (5, 16)])
def test_it_follows_its_formula(b: int, d: int) -> None:
    x = values(b, d)
    ours, theirs = node()(x), plain(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(*(torch.autograd.grad(loss, x) for loss in (ours, theirs)), rtol=1e-9, atol=1e-12)


def test_the_gradient_by_finite_differences() -> None:
    assert torch.autograd.gradcheck(node(), values())


def test_opposite_samples_have_the_lowest_loss_and_lengths_do_not_matter() -> None:
    x = torch.tensor([[3.0, 0.0], [-0.5, 0.0]], dtype=torch.float64)
    assert node()(x).item() == pytest.approx(-math.log(2))
    x = values()
    torch.testing.assert_close(node()(5 * x), node()(x))


def test_steps_against_its_gradient_spread_the_samples() -> None:
    x = (values(b=16, d=2) * 0.05 + torch.tensor([1.0, 0.0])).detach().requires_grad_()
    spreads = []
    for _ in range(300):
        angles = torch.atan2(x[:, 1], x[:, 0]).detach()
        spreads.append((angles.max() - angles.min()).item())
        (gradient,) = torch.autograd.grad(node()(x), x)
        x = (x - 0.01 * gradient).detach().requires_grad_()
    assert spreads[0] < 0.3
    assert spreads[-1] > 2


def test_samples_that_are_the_same_have_a_finite_gradient() -> None:
    x = values(b=4).detach().float()[[0, 0, 1, 1, 2, 3]].requires_grad_()
    loss = node()(x)
    assert loss.item() == pytest.approx(plain(x.detach().double()).item(), rel=1e-5)
    assert torch.autograd.grad(loss, x)[0].isfinite().all()


def test_close_samples_keep_their_digits_in_float32() -> None:
    x = 1 + 1e-3 * values(b=20, d=8).detach()
    assert node()(x.float()).item() == pytest.approx(node()(x).item(), abs=2e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_a_float32_loss(dtype: torch.dtype) -> None:
    x = values(b=16, d=40).detach().to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = node()(x)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(node()(x.double()).item(), rel=1e-5)
    assert torch.autograd.grad(loss, x)[0].isfinite().all()


def test_a_batch_of_one_has_no_other_sample() -> None:
    with pytest.raises(ValueError, match="KoLeo is about the nearest other sample, and a batch of one has none"):
        node()(values(b=1))
