"""Parts that only rearrange: flatten, halves, normalisation to length one."""

from __future__ import annotations

import pytest
import torch

from graphssl.component import Sizes, build
from graphssl.components.context import Flatten, Halves
from graphssl.components.head import Normalize


def test_flatten_keeps_the_order_of_channels_rows_and_columns() -> None:
    x = torch.arange(2 * 3 * 2 * 2.0).reshape(2, 3, 2, 2)
    flat = build(Flatten)(x)
    assert flat.shape == (2, 12)
    assert flat[1].tolist() == list(range(12, 24))
    assert flat.data_ptr() == x.data_ptr(), "nothing is copied"


@pytest.mark.parametrize("height", [4, 5, 2])
def test_halves_are_the_rows_above_and_below(height: int) -> None:
    x = torch.arange(float(height)).reshape(1, 1, height, 1).expand(2, 3, height, 6)
    v = build(Halves)(x)
    rows = height // 2
    assert v.top.shape == v.bottom.shape == (2, 3, rows, 6)
    assert v.top[0, 0, :, 0].tolist() == list(range(rows))
    assert v.bottom[0, 0, :, 0].tolist() == list(range(height - rows, height))


def test_vectors_of_length_one_and_the_gradient_across() -> None:
    x = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = build(Normalize)(x)
    torch.testing.assert_close(y, x / (x * x).sum(1, keepdim=True).sqrt())
    weight = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (y * weight).sum().backward()
    length = x.detach().norm(dim=1, keepdim=True)
    unit = x.detach() / length
    expected = (weight - (weight * unit).sum(1, keepdim=True) * unit) / length
    torch.testing.assert_close(x.grad, expected)


def test_a_vector_of_nothing_has_a_bounded_gradient() -> None:
    x = torch.zeros(1, 4, requires_grad=True)
    y = build(Normalize)(x)
    assert y.abs().sum() == 0
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_half_precision_is_widened() -> None:
    y = build(Normalize)(torch.full((2, 8), 300.0, dtype=torch.float16))
    assert y.dtype == torch.float32
    torch.testing.assert_close(y.norm(dim=1), torch.ones(2))


def test_flatten_takes_any_batch() -> None:
    assert build(Flatten, sizes=Sizes())(torch.zeros(1, 2, 3, 4)).shape == (1, 24)
