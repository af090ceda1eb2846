"""Cross-entropy with labels against its formula in float64, value and gradient, and where a label is not known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from graphssl.component import Sizes, build, find
from graphssl.components.objective import Classification, CrossEntropy


def loss(logits: Tensor, label: Tensor) -> Tensor:
    value: Tensor = build(find("objective.classification"), None, Sizes())(logits, label)
    return value


def logits(b: int = 6, p: int = 4, dtype: torch.dtype = torch.float64) -> Tensor:
    made = 3 * torch.randn(b, p, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return made.to(dtype).requires_grad_()


LABEL = torch.tensor([0, 3, 1, 1, 2, 0])


def plain(values: Tensor, label: Tensor) -> Tensor:
    """-log(exp(l_y) / sum exp(l)) sample by sample; nothing where the label is not known."""
    total = torch.zeros((), dtype=torch.float64)
    for row, y in zip(values, label.tolist(), strict=True):
        if y >= 0:
            total = total - torch.log(torch.exp(row[y]) / sum(torch.exp(one) for one in row))
    return total / len(values)


@pytest.mark.parametrize("label", [LABEL, LABEL.masked_fill(LABEL == 1, -1), LABEL - 2, torch.full((6,), -1)])
def test_it_is_the_formula(label: Tensor) -> None:
    x = logits()
    ours, theirs = loss(x, label), plain(x, label)
    torch.testing.assert_close(ours, theirs.detach() + 0 * ours, rtol=1e-12, atol=1e-12)
    (gradient,) = torch.autograd.grad(ours, x)
    expected = torch.zeros_like(x)
    for i, y in enumerate(label.tolist()):
        if y >= 0:
            expected[i] = (torch.softmax(x[i].detach(), 0) - torch.eye(4, dtype=torch.float64)[y]) / 6
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


def test_a_batch_of_one_is_its_own_mean() -> None:
    x = logits(1)
    torch.testing.assert_close(loss(x, LABEL[1:2]), plain(x, LABEL[1:2]))


def test_logits_that_say_nothing_cost_the_log_of_their_number() -> None:
    assert loss(torch.zeros(6, 4), LABEL).item() == pytest.approx(math.log(4))


def test_it_is_cross_entropy_with_all_on_one() -> None:
    x = logits()
    soft = build(CrossEntropy, sizes=Sizes(), temperature=1.0)(x, torch.nn.functional.one_hot(LABEL, 4).double())
    torch.testing.assert_close(loss(x, LABEL), soft)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype: torch.dtype) -> None:
    x = logits(dtype=dtype)
    assert loss(x, LABEL).dtype == torch.float32
    torch.testing.assert_close(loss(x, LABEL), loss(x.detach().float(), LABEL))


def test_labels_are_integers() -> None:
    with pytest.raises(ValueError, match="labels are integers"):
        loss(logits(), LABEL.double())
    assert build(Classification, sizes=Sizes())(logits(), LABEL.int()).isfinite()
