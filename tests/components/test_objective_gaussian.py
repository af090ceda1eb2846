"""Tests of normality and moments against the papers' formulas in float64, written with loops, and what they tell apart."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
import torch
from torch import Tensor

from graphssl.component import Sizes, build
from graphssl.components.objective import Moments, SlicedGaussian


def sliced(d: int = 4, **config: Any) -> Any:
    return build(SlicedGaussian, sizes=Sizes({"d": d}), **config)


def moments(**config: Any) -> Any:
    return build(Moments, sizes=Sizes(), **config)


def values(b: int = 6, d: int = 4, seed: int = 0, scale: float = 1.2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, d, generator=generator, dtype=torch.float64).mul_(scale).add_(0.3).requires_grad_()


def directions(node: Any, b: int = 6) -> Tensor:
    drawn: Tensor = node.draw(b, torch.Generator().manual_seed(7), torch.device("cpu"))
    return drawn


def agree(ours: Tensor, theirs: Tensor, leaves: tuple[Tensor, ...]) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(*(torch.autograd.grad(loss, leaves) for loss in (ours, theirs)), rtol=1e-8, atol=1e-11)


# -- the formulas --------------------------------------------------------------------------------------------


def plain_epps_pulley(p: Tensor, knots: int, limit: float) -> Tensor:
    """Over both halves, from -limit to limit, with complex numbers: LeJEPA's algorithm 1."""
    t = torch.linspace(-limit, limit, 2 * knots - 1, dtype=torch.float64)
    normal = (-(t**2) / 2).exp()
    empirical = torch.exp(1j * p[:, None] * t).mean(0)
    return len(p) * torch.trapezoid((empirical - normal).abs() ** 2 * normal, t)


def plain_wasserstein(p: Tensor) -> Tensor:
    normal, b = statistics.NormalDist(), len(p)
    total = torch.zeros((), dtype=torch.float64)
    for i, value in enumerate(sorted(p, key=lambda value: value.item()), 1):
        total = total + (value - normal.inv_cdf(i / (b + 1))) ** 2
    return total / b


def plain_standardised(x: Tensor) -> Tensor:
    centred = x - x.sum(0) / len(x)
    return centred / (((centred**2).sum(0) / len(x)).sqrt() + 1e-6).detach()


def plain_moments(x: Tensor, mean: float, deviation: float) -> Tensor:
    b, d = x.shape
    total = torch.zeros((), dtype=torch.float64)
    for j in range(d):
        m = x[:, j].sum() / b
        s = (((x[:, j] - m) ** 2).sum() / b).sqrt() + 1e-6
        total = total + mean * m**2 / d + deviation * (s - 1) ** 2 / d
    return total


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(("b", "d"), [(6, 4), (2, 3), (9, 1)])
@pytest.mark.parametrize("options", [{}, {"knots": 5, "limit": 1.5}, {"test": "wasserstein"}])
def test_the_slices_follow_their_formulas(b: int, d: int, options: dict[str, Any], standardize: bool) -> None:
    node = sliced(d, slices=3, standardize=standardize, **options)
    x, y, draws = values(b, d), values(b, d, seed=1), directions(node)
    total = torch.zeros((), dtype=torch.float64)
    for view in (x, y):
        view = plain_standardised(view) if standardize else view
        for direction in draws.double().T:
            p = view @ direction
            wanted = "test" in options
            total = total + (
                plain_wasserstein(p)
                if wanted
                else plain_epps_pulley(p, options.get("knots", 17), options.get("limit", 3))
            )
    agree(node((x, y), draws), total / 6, (x, y))


@pytest.mark.parametrize(("mean", "deviation"), [(1.0, 1.0), (0.5, 3.0)])
@pytest.mark.parametrize(("b", "d"), [(6, 4), (2, 3), (9, 1)])
def test_the_moments_follow_their_formula(b: int, d: int, mean: float, deviation: float) -> None:
    x = values(b, d)
    agree(moments(mean=mean, deviation=deviation)(x), plain_moments(x, mean, deviation), (x,))


@pytest.mark.parametrize("test", ["epps_pulley", "wasserstein"])
def test_gradients_by_finite_differences(test: str) -> None:
    """Without `standardize`, whose deviations are held."""
    node = sliced(slices=3, test=test)
    draws = directions(node).double()
    assert torch.autograd.gradcheck(lambda x: node((x,), draws), values())
    assert torch.autograd.gradcheck(moments(), values())


# -- directions ----------------------------------------------------------------------------------------------


def test_directions_are_unit_vectors_the_same_for_every_size_of_batch() -> None:
    node = sliced(d=6, slices=1000)
    few, many = directions(node, b=2), directions(node, b=64)
    torch.testing.assert_close(few, many, rtol=0, atol=0)
    torch.testing.assert_close(few.norm(dim=0), torch.ones(1000))
    assert few.mean(1).abs().max() < 0.05  # they point everywhere: 1 / sqrt(6 * 1000) is 0.013
    torch.testing.assert_close(few @ few.T / 1000, torch.eye(6) / 6, rtol=0, atol=0.03)


# -- what they tell apart ------------------------------------------------------------------------------------


def samples(kind: str, b: int, d: int) -> Tensor:
    """Of mean 0 and variance 1, but for the last three."""
    generator = torch.Generator().manual_seed(3)
    normal = torch.randn(b, d, generator=generator, dtype=torch.float64)
    if kind == "uniform":
        return (torch.rand(b, d, generator=generator, dtype=torch.float64) - 0.5) * math.sqrt(12)
    if kind == "two points":
        return normal.sign()
    return {"normal": normal, "wide": 2 * normal, "shifted": normal + 1, "one": normal[:1].expand(b, d)}[kind]


@pytest.mark.parametrize("test", ["epps_pulley", "wasserstein"])
@pytest.mark.parametrize("kind", ["uniform", "two points", "wide", "shifted", "one"])
def test_normal_samples_cost_least(test: str, kind: str) -> None:
    """On features themselves: projections on many of them are near normal anyway."""
    node, axes = sliced(d=2, slices=2, test=test), torch.eye(2)
    normal, other = (node((samples(k, 2000, 2),), axes).item() for k in ("normal", kind))
    assert other > 4 * normal


def test_the_statistic_of_normal_samples_is_of_one_size_for_any_batch() -> None:
    """Its expectation is the integral of (1 - exp(-t^2)) exp(-t^2 / 2): sqrt(2 pi) - sqrt(2 pi / 3), the ends cut off."""
    node = sliced(d=8, slices=256)
    expected = math.sqrt(2 * math.pi) * (1 - 1 / math.sqrt(3))
    for b in (64, 1024):
        found = [node((values(b, 8, seed, scale=1).detach() - 0.3,), directions(node)).item() for seed in range(20)]
        assert statistics.fmean(found) == pytest.approx(expected, rel=0.1)


def test_standardized_samples_of_any_scale_and_place_are_the_same() -> None:
    for test in ("epps_pulley", "wasserstein"):
        node = sliced(standardize=True, test=test, slices=16)
        x, draws = values(50).detach(), directions(node)
        torch.testing.assert_close(node((x,), draws), node((100 * x + 5,), draws), rtol=1e-5, atol=1e-6)


def test_where_all_samples_are_next_to_the_same_moments_still_have_a_gradient() -> None:
    """VISReg's reason: that of the characteristic function goes away with the distances, that of a deviation does not."""
    spread = torch.randn(64, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    node, found = sliced(d=8, slices=256), {}
    for scale in (1e-2, 1e-4):
        x = (spread * scale).requires_grad_()
        for name, loss in (("test", node((x,), directions(node))), ("moments", moments()(x))):
            (gradient,) = torch.autograd.grad(loss, x)
            found[name, scale] = (gradient - gradient.mean(0)).norm().item()
    assert found["test", 1e-4] < 0.02 * found["test", 1e-2]
    assert found["moments", 1e-4] == pytest.approx(found["moments", 1e-2], rel=0.05)


def test_moments_are_0_for_mean_0_and_deviation_1_and_hold_large_ones_down() -> None:
    x = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)
    assert moments()(x).item() == pytest.approx(0, abs=1e-10)
    assert moments()(3 * x).item() == pytest.approx(4, rel=1e-5)
    assert moments()(x + 2).item() == pytest.approx(4, rel=1e-5)


# -- limits --------------------------------------------------------------------------------------------------


def test_samples_that_are_the_same_have_a_finite_gradient() -> None:
    for node in (sliced(slices=5), sliced(slices=5, test="wasserstein", standardize=True)):
        x = torch.full((6, 4), 2.0, requires_grad=True)
        assert torch.autograd.grad(node((x,), directions(node)), x)[0].isfinite().all()
    x = torch.full((6, 4), 2.0, requires_grad=True)
    assert torch.autograd.grad(moments()(x), x)[0].isfinite().all()


def test_a_batch_of_one_is_refused() -> None:
    x, node = values(b=1), sliced(slices=5)
    with pytest.raises(ValueError, match="a test of normality is about the spread of features over a batch"):
        node((x,), directions(node))
    with pytest.raises(ValueError, match="a deviation is about the spread of features over a batch"):
        moments()(x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("test", ["epps_pulley", "wasserstein"])
def test_half_precision_gives_a_float32_loss(test: str, dtype: torch.dtype) -> None:
    x, node = values(b=16, d=40).detach().to(dtype).requires_grad_(), sliced(d=40, slices=9, test=test)
    draws = directions(node)
    with torch.autocast("cpu", torch.bfloat16):
        losses = node((x,), draws), moments()(x)
    wide = node((x.double(),), draws), moments()(x.double())
    for loss, exact in zip(losses, wide, strict=True):
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(exact.item(), rel=1e-4)
        assert torch.autograd.grad(loss, x)[0].isfinite().all()
