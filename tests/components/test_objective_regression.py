"""Regression against BYOL's and SimSiam's formulas."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from graphssl.component import build
from graphssl.components.critic import Cosine
from graphssl.components.objective import Regression
from graphssl.ports import Negatives, Scores


def test_regression_is_byols_equation_2() -> None:
    """2 - 2 <q, z> / (|q| |z|), which is the squared distance of the normalised vectors."""
    torch.manual_seed(0)
    query, key = torch.randn(2, 5, 3, dtype=torch.float64)
    query.requires_grad_()
    loss = build(Regression)(build(Cosine)(query, key))
    plain = torch.zeros((), dtype=torch.float64)
    for q, z in zip(query, key, strict=True):
        plain = plain + ((q / q.norm() - z / z.norm()) ** 2).sum() / 5
    torch.testing.assert_close(loss, plain)
    torch.testing.assert_close(torch.autograd.grad(loss, query), torch.autograd.grad(plain, query))


def test_regression_has_a_constant_gradient_on_scores() -> None:
    positive = torch.randn(4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(build(Regression)(Scores(positive)), positive)
    torch.testing.assert_close(gradient, torch.full((4,), -2 / 4, dtype=torch.float64))


def test_regression_lies_between_0_and_4() -> None:
    z = torch.randn(3, 4)
    assert build(Regression)(build(Cosine)(z, 2 * z)).item() == pytest.approx(0, abs=1e-6)
    assert build(Regression)(build(Cosine)(z, -z)).item() == pytest.approx(4, abs=1e-6)


def test_regression_is_simsiams_negative_cosine_up_to_scale() -> None:
    torch.manual_seed(0)
    p, z = torch.randn(2, 5, 3, dtype=torch.float64)
    simsiam = -F.cosine_similarity(p, z).mean()
    torch.testing.assert_close(build(Regression)(build(Cosine)(p, z)), 2 + 2 * simsiam)


def test_regression_refuses_negatives() -> None:
    z = torch.randn(3, 4)
    with pytest.raises(ValueError, match=r"regression uses no negatives: .*objective\.infonce"):
        build(Regression)(build(Cosine)(z, z, Negatives(z)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_regression_of_half_precision_gives_a_float32_loss(dtype: torch.dtype) -> None:
    positive = torch.tensor([0.3, -20.0, 15.0], dtype=dtype, requires_grad=True)
    loss = build(Regression)(Scores(positive))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(build(Regression)(Scores(positive.double())).item(), rel=1e-5)
    assert torch.autograd.grad(loss, positive)[0].isfinite().all()
