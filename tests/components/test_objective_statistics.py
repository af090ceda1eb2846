"""Losses on a batch's second moments, against the papers' formulas in float64: coding rate, nuclear norm, covariance."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphssl.component import Sizes, build
from graphssl.components.objective import CodingRate, NuclearNorm, RunningCovariance


def node(cls: type[nn.Module], d: int = 4, **config: Any) -> Any:
    return build(cls, sizes=Sizes({"d": d}), **config)


def values(b: int = 6, d: int = 4, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, d, generator=generator, dtype=torch.float64).add_(0.3).requires_grad_()


def agree(ours: Tensor, theirs: Tensor, leaves: tuple[Tensor, ...]) -> None:
    """The same value and the same gradient."""
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(*(torch.autograd.grad(loss, leaves) for loss in (ours, theirs)), rtol=1e-8, atol=1e-11)


def on_the_sphere(x: Tensor) -> Tensor:
    return torch.stack([row / (row @ row).sqrt() for row in x])


SHAPES = pytest.mark.parametrize(("b", "d"), [(6, 4), (4, 6), (5, 5), (2, 3), (9, 1)])


# -- the formulas --------------------------------------------------------------------------------------------


def plain_rate(x: Tensor, distortion: float = 0.2) -> Tensor:
    """EMP-SSL's code: logdet of d d, of the samples as columns."""
    w = on_the_sphere(x).T
    d, b = w.shape
    return -torch.logdet(torch.eye(d, dtype=x.dtype) + d / (b * distortion) * w @ w.T) / 2


def plain_norm(x: Tensor) -> Tensor:
    return -torch.linalg.svdvals(x).sum()


def plain_covariance(x: Tensor, before: Tensor, momentum: float = 0.9) -> Tensor:
    """TiCo's algorithm: the mean over the batch of z^T C z."""
    z = on_the_sphere(x)
    moments = sum((torch.outer(row, row) for row in z), torch.zeros_like(before)) / len(z)
    c = momentum * before + (1 - momentum) * moments
    return sum((row @ c @ row for row in z), torch.zeros((), dtype=x.dtype)) / len(z)


@SHAPES
@pytest.mark.parametrize("distortion", [0.2, 0.01])
def test_the_coding_rate_follows_its_formula(b: int, d: int, distortion: float) -> None:
    x, y = values(b, d), values(b, d, seed=1)
    agree(node(CodingRate, distortion=distortion)((x,)), plain_rate(x, distortion), (x,))
    both = (plain_rate(x, distortion) + plain_rate(y, distortion)) / 2
    agree(node(CodingRate, distortion=distortion)((x, y)), both, (x, y))


@SHAPES
def test_the_nuclear_norm_is_the_sum_of_the_singular_values(b: int, d: int) -> None:
    x = values(b, d)
    agree(node(NuclearNorm)(x), plain_norm(x), (x,))


@SHAPES
@pytest.mark.parametrize("momentum", [0.9, 0.0, 1.0])
def test_the_running_covariance_follows_its_formula(b: int, d: int, momentum: float) -> None:
    x, before = values(b, d), values(d, d, seed=2).detach()
    covariance = node(RunningCovariance, d, momentum=momentum).double()
    covariance.covariance.copy_(before @ before.T)
    agree(covariance(x), plain_covariance(x, before @ before.T, momentum), (x,))


@pytest.mark.parametrize("cls", [CodingRate, NuclearNorm, RunningCovariance])
def test_gradients_by_finite_differences(cls: type[nn.Module]) -> None:
    objective = node(cls).double()
    assert torch.autograd.gradcheck(lambda x: objective((x,) if cls is CodingRate else x), values())


# -- what they are lowest for --------------------------------------------------------------------------------


def test_the_coding_rate_is_lowest_for_samples_spread_evenly() -> None:
    """Of b samples on the axes the determinant is (1 + 1 / distortion)^d; of equal ones 1 + d / distortion."""
    even = torch.eye(4, dtype=torch.float64).repeat(3, 1)
    rate = node(CodingRate)
    assert rate((even,)).item() == pytest.approx(-4 / 2 * math.log(1 + 1 / 0.2))
    assert rate((even[:1].repeat(7, 1),)).item() == pytest.approx(-math.log(1 + 4 / 0.2) / 2)
    assert all(rate((even,)) < rate((values(12, 4, seed),)) for seed in range(5))
    torch.testing.assert_close(rate((5 * even,)), rate((even,)))


def test_the_nuclear_norm_is_lowest_for_samples_spread_evenly() -> None:
    even = torch.eye(4, dtype=torch.float64).repeat(3, 1)
    assert node(NuclearNorm)(even).item() == pytest.approx(-math.sqrt(4 * 12))
    assert node(NuclearNorm)(even[:1].repeat(12, 1)).item() == pytest.approx(-math.sqrt(12))  # collapsed
    assert all(node(NuclearNorm)(even) < node(NuclearNorm)(on_the_sphere(values(12, 4, seed))) for seed in range(5))


def test_means_of_views_that_disagree_have_a_smaller_nuclear_norm() -> None:
    x, y = (on_the_sphere(values(12, 4, seed).detach()) for seed in range(2))
    assert node(NuclearNorm)(x) < node(NuclearNorm)((x + y) / 2)


@pytest.mark.parametrize("least", [1e-2, 1e-4, 1e-6, 0.0])
def test_small_singular_values_are_of_no_harm(least: float) -> None:
    """From 1 to the least of eight, in float32: the value keeps its digits, the gradient is at most 1 along each."""
    u, v = (torch.linalg.qr(values(8, 8, seed).detach())[0] for seed in (3, 4))
    sizes = torch.linspace(1, least, 8, dtype=torch.float64)
    x = (u * sizes @ v).float().requires_grad_()
    loss = node(NuclearNorm)(x)
    assert loss.item() == pytest.approx(-sizes.sum().item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, x)
    assert torch.linalg.svdvals(gradient).max() < 1 + 1e-4


def test_a_batch_of_zeros_has_no_gradient_that_is_not_a_number() -> None:
    for objective in (node(NuclearNorm), node(RunningCovariance)):
        x = torch.zeros(5, 4, requires_grad=True)
        assert torch.autograd.grad(objective(x), x)[0].abs().max() == 0
    x = torch.zeros(5, 4, requires_grad=True)
    assert torch.autograd.grad(node(CodingRate)((x,)), x)[0].abs().max() == 0


# -- the state of the covariance -----------------------------------------------------------------------------


def test_the_covariance_is_a_moving_average() -> None:
    covariance = node(RunningCovariance, momentum=0.75).double()
    x, y = on_the_sphere(values().detach()), on_the_sphere(values(seed=1).detach())
    covariance.observe(3 * x)
    covariance.observe(y)
    expected = 0.75 * 0.25 * x.T @ x / 6 + 0.25 * y.T @ y / 6
    torch.testing.assert_close(covariance.covariance, expected)


def test_what_the_step_saw_is_what_is_written_after_it() -> None:
    """The loss of a batch is its mean of x^T C x for the C that `observe` writes."""
    covariance = node(RunningCovariance).double()
    for seed in range(3):
        x = values(seed=seed).detach()
        loss = covariance(x)
        covariance.observe(x)
        z = on_the_sphere(x)
        torch.testing.assert_close(loss, ((z @ covariance.covariance) * z).sum(1).mean())


def test_samples_that_are_spread_evenly_cost_1_over_d_in_the_end() -> None:
    covariance, even = node(RunningCovariance).double(), torch.eye(4, dtype=torch.float64).repeat(3, 1)
    for _ in range(300):
        covariance.observe(even)
    assert covariance(even).item() == pytest.approx(1 / 4)
    assert covariance(even[:1]).item() == pytest.approx(0.9 / 4 + 0.1)  # where all others lie, and its own share


# -- precision -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("cls", [CodingRate, NuclearNorm, RunningCovariance])
def test_half_precision_gives_a_float32_loss(cls: type[nn.Module], dtype: torch.dtype) -> None:
    x = values(24, 40).detach().to(dtype).requires_grad_()
    given = (x,) if cls is CodingRate else x
    wide = (x.double(),) if cls is CodingRate else x.double()
    with torch.autocast("cpu", torch.bfloat16):
        loss = node(cls, 40)(given)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(node(cls, 40).double()(wide).item(), rel=1e-5)
    assert torch.autograd.grad(loss, x)[0].isfinite().all()


@pytest.mark.parametrize("cls", [CodingRate, NuclearNorm])
def test_a_batch_of_one_has_no_spread(cls: type[nn.Module]) -> None:
    x = torch.randn(1, 4)
    with pytest.raises(ValueError, match="is about the spread of features over a batch, and a batch of one has none"):
        node(cls)((x,) if cls is CodingRate else x)
