"""Whitening against W-MSE's formula in float64, its sub-batches and limits; the mean of views."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from graphssl.component import Sizes, build
from graphssl.components.context import Mean
from graphssl.components.head import Whiten


def whiten(**config: Any) -> Any:
    return build(Whiten, sizes=Sizes(), **config)


def values(b: int = 12, d: int = 4, dtype: torch.dtype = torch.float64) -> Tensor:
    """Features that are correlated, far from 0."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(b, d, generator=generator, dtype=torch.float64)
    x = x @ torch.randn(d, d, generator=generator, dtype=torch.float64) + 3
    return x.to(dtype).requires_grad_()


def plain(x: Tensor, size: int, shrinkage: float = 0.0) -> Tensor:
    """Section 3.1 of Ermolov et al. 2021: W (x - mean), W^T W the inverse of the covariance, by its Cholesky factor."""
    parts = []
    for part in x.split(size):
        mean = part.sum(0) / size
        covariance = sum((torch.outer(row - mean, row - mean) for row in part), torch.zeros(x.shape[1], dtype=x.dtype))
        mixed = (1 - shrinkage) * covariance / (size - 1) + shrinkage * torch.eye(x.shape[1], dtype=x.dtype)
        w = torch.linalg.inv(torch.linalg.cholesky(mixed))
        parts += [w @ (row - mean) for row in part]
    return torch.stack(parts)


@pytest.mark.parametrize(
    ("size", "shrinkage"), [(None, 0.0), (6, 0.0), (12, 0.0), (99, 0.0), (4, 0.3), (2, 0.01), (None, 1.0)]
)
def test_it_follows_its_formula(size: int | None, shrinkage: float) -> None:
    x = values()
    ours, theirs = whiten(size=size, shrinkage=shrinkage)(x), plain(x, min(size or 12, 12), shrinkage)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)
    weight = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(
        *(torch.autograd.grad((out * weight).sum(), x) for out in (ours, theirs)), rtol=1e-8, atol=1e-9
    )


def test_gradients_by_finite_differences() -> None:
    assert torch.autograd.gradcheck(whiten(size=6), values())


def test_each_part_has_mean_0_and_the_identity_as_covariance() -> None:
    for part in whiten(size=6)(values().detach()).split(6):
        torch.testing.assert_close(part.mean(0), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-10)
        torch.testing.assert_close(torch.cov(part.T), torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-9)


def test_any_linear_map_is_taken_out_but_for_a_rotation() -> None:
    """So no scale of the features helps, and no constant can be given for all samples."""
    x = values().detach()
    one, two = whiten()(x), whiten()(x @ values(4, 4).detach() - 7)
    torch.testing.assert_close(one @ one.T, two @ two.T, rtol=1e-6, atol=1e-8)


def test_in_eval_mode_it_is_the_same() -> None:
    x, node = values(), whiten()
    torch.testing.assert_close(node(x), node.eval()(x), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_other_precisions_give_float32(dtype: torch.dtype) -> None:
    x = values(dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        white = whiten()(x)
    assert white.dtype == torch.float32
    torch.testing.assert_close(white.double(), whiten()(x.double()), rtol=1e-3, atol=1e-3)


def test_what_cannot_be_whitened_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch of 12 cannot be whitened in parts of 5: take a size that divides it"):
        whiten(size=5)(values())
    message = "4 samples cannot be whitened in 4 features: take more samples than features, smaller embeddings, or"
    with pytest.raises(ValueError, match=message):
        whiten(size=4)(values())
    with pytest.raises(ValueError, match="1 samples cannot be whitened in 4 features"):
        whiten(shrinkage=0.5)(values(b=1))


def test_a_shrinkage_makes_few_samples_enough_also_where_it_moves() -> None:
    assert whiten(size=4, shrinkage=0.1)(values()).isfinite().all()
    assert whiten(size=4, shrinkage={"from": 0.1, "to": 0.0})(values()).isfinite().all()


def test_features_that_are_constant_have_no_whitening_and_say_so_by_no_numbers() -> None:
    """Nothing waits for the device to see it; a run takes such a step as one whose loss is not finite."""
    x = values().detach()
    x[:, 1] = 2.0
    assert not whiten()(x).isfinite().all()


def test_the_mean_of_views() -> None:
    views = tuple(values().detach() + i for i in range(3))
    torch.testing.assert_close(build(Mean, sizes=Sizes())(views), views[1])
    half = tuple(view.half() for view in views)
    assert build(Mean, sizes=Sizes())(half).dtype == torch.float32
