"""Distances of predictions, and cross-entropy, where only some positions count: the papers' formulas, number by number."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from graphssl.component import Sizes, build
from graphssl.components.objective import CrossEntropy, Distance, VarianceCovariance


def values(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cost(x: Tensor, y: Tensor, norm: str, beta: float) -> Tensor:
    """Of one number."""
    distance = (x - y).abs()
    if norm == "l2":
        return distance**2
    if norm == "l1":
        return distance
    return distance**2 / (2 * beta) if float(distance.detach()) < beta else distance - beta / 2


WHERE = torch.tensor([[True, False, True], [False, False, False], [True, True, True], [False, True, False]])


@pytest.mark.parametrize("where", [None, WHERE])
@pytest.mark.parametrize(("norm", "beta"), [("l2", 1.0), ("l1", 1.0), ("smooth_l1", 1.0), ("smooth_l1", 2.0)])
def test_distances_and_their_gradients(norm: str, beta: float, where: Tensor | None) -> None:
    x, y = values(4, 3, 5).requires_grad_(), values(4, 3, 5, seed=1).requires_grad_()
    found = build(Distance, norm=norm, **({"beta": beta} if norm == "smooth_l1" else {}))(x, y, where)
    samples = []
    for i in range(4):
        own = [
            sum(cost(x[i, j, k], y[i, j, k], norm, beta) for k in range(5)) / 5
            for j in range(3) if where is None or where[i, j]
        ]  # fmt: skip
        samples.append(sum(own) / len(own) if own else x.new_zeros(()))
    expected: Any = sum(samples) / 4
    torch.testing.assert_close(found, expected)
    for one, other in zip(torch.autograd.grad(found, (x, y)), torch.autograd.grad(expected, (x, y)), strict=True):
        torch.testing.assert_close(one, other)


def test_a_picture_without_hidden_patches_costs_nothing() -> None:
    x, y = values(2, 3, 5).requires_grad_(), values(2, 3, 5, seed=1)
    loss = build(Distance)(x, y, torch.zeros(2, 3, dtype=torch.bool))
    assert float(loss.detach()) == 0
    assert not torch.autograd.grad(loss, x)[0].any()


def test_of_vectors_it_is_the_plain_mean() -> None:
    x, y = values(4, 5), values(4, 5, seed=1)
    torch.testing.assert_close(build(Distance)(x, y), ((x - y) ** 2).mean())


def test_beta_has_a_use() -> None:
    with pytest.raises(ValidationError, match="beta is of norm: smooth_l1, and norm is l2"):
        Distance.Config(norm="l2", beta=2.0)


def test_cross_entropy_of_hidden_patches_is_ibots() -> None:
    """Equation 2 and its code: the mean over the hidden patches of a picture, then over the pictures."""
    x, y = values(4, 3, 6).requires_grad_(), values(4, 3, 6, seed=1).softmax(-1)
    found = build(CrossEntropy, temperature=0.5)(x, y, WHERE)
    total: Any = 0.0
    for i in range(4):
        share = [
            -sum(y[i, j, k] * (x[i, j, k] / 0.5 - (x[i, j] / 0.5).exp().sum().log()) for k in range(6))
            for j in range(3) if WHERE[i, j]
        ]  # fmt: skip
        total = total + sum(share) / max(len(share), 1)
    torch.testing.assert_close(found, total / 4)
    torch.testing.assert_close(torch.autograd.grad(found, x)[0], torch.autograd.grad(total / 4, x)[0])


@pytest.mark.parametrize("objective", [Distance, CrossEntropy, VarianceCovariance])
def test_other_positions_are_refused_and_never_repeated(objective: Any) -> None:
    """One position would stand for all by broadcasting."""
    node = build(objective, sizes=Sizes({"d": 4}))
    x, y = torch.randn(3, 6, 4), torch.rand(3, 6, 4)
    assert node(x, y).isfinite()
    for shorter in (y[:, :1], y[:, :5], y[:, 0]):
        said = "1" if shorter.shape[1:-1] == (1,) else "5" if shorter.ndim == 3 else "no"
        with pytest.raises(ValueError, match=rf"it compares 6 positions with {said}, and both must be of the same"):
            node(x, shorter)


@pytest.mark.parametrize("places", [(), (3,), (3, 1)])
def test_weights_of_other_positions_are_refused(places: tuple[int, ...]) -> None:
    one, other = torch.rand(2, 4, 3, 2, 5)
    with pytest.raises(ValueError, match=r"'weight' has \d numbers for a sample, and 6 positions are compared"):
        build(CrossEntropy)(one, other, weight=torch.ones(4, *places))


@pytest.mark.parametrize("objective", [Distance, CrossEntropy])
@pytest.mark.parametrize("places", [(3,), (3, 1), (3, 5)])
def test_a_where_of_other_positions_is_refused(objective: Any, places: tuple[int, ...]) -> None:
    x, y = torch.randn(3, 6, 4), torch.rand(3, 6, 4)
    with pytest.raises(ValueError, match=r"'where' says of \d positions whether they count, and 6 are compared"):
        build(objective, sizes=Sizes({"d": 4}))(x, y, torch.ones(places, dtype=torch.bool))
