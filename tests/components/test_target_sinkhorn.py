"""SwAV's codes: the marginals that Sinkhorn-Knopp asks for, and its plain loop in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from graphssl.component import build
from graphssl.components.target import Sinkhorn


def scores(b: int = 8, p: int = 4, dtype: torch.dtype = torch.float64) -> Tensor:
    """Cosines, most of them in favour of the first prototype."""
    generator = torch.Generator().manual_seed(0)
    given = torch.rand(b, p, generator=generator, dtype=torch.float64) * 0.8 - 0.4
    given[:, 0] += 0.3
    return given.to(dtype)


def plain_sinkhorn(given: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Algorithm 1 of SwAV, number by number; Q is p x b."""
    b, p = given.shape
    q = [[math.exp(given[j, i].item() / epsilon) for j in range(b)] for i in range(p)]
    total = sum(map(sum, q))
    q = [[v / total for v in row] for row in q]
    for _ in range(iterations):
        q = [[v / sum(row) / p for v in row] for row in q]
        columns = [sum(row[j] for row in q) for j in range(b)]
        q = [[v / columns[j] / b for j, v in enumerate(row)] for row in q]
    return torch.tensor([[q[i][j] * b for i in range(p)] for j in range(b)], dtype=torch.float64)


@pytest.mark.parametrize("iterations", [1, 3, 10])
@pytest.mark.parametrize("epsilon", [0.05, 0.5])
@pytest.mark.parametrize(("b", "p"), [(8, 4), (3, 7), (1, 5), (4, 1)])
def test_codes_are_those_of_the_plain_loop(iterations: int, epsilon: float, b: int, p: int) -> None:
    code = build(Sinkhorn, epsilon=epsilon, iterations=iterations)(scores(b, p))
    torch.testing.assert_close(code, plain_sinkhorn(scores(b, p), epsilon, iterations), rtol=1e-10, atol=1e-13)


def test_rows_sum_to_one_and_prototypes_are_used_alike() -> None:
    code = build(Sinkhorn, iterations=100)(scores(b=32))
    torch.testing.assert_close(code.sum(1), torch.ones(32, dtype=torch.float64))
    torch.testing.assert_close(code.sum(0), torch.full((4,), 8.0, dtype=torch.float64), rtol=1e-3, atol=0)
    few = build(Sinkhorn)(scores(b=32))
    torch.testing.assert_close(few.sum(1), torch.ones(32, dtype=torch.float64))
    start = torch.softmax(scores(b=32) / 0.05, 1)
    assert (few.sum(0) - 8).abs().max() < 0.3 * (start.sum(0) - 8).abs().max()


def test_equal_scores_give_uniform_codes() -> None:
    code = build(Sinkhorn)(torch.full((6, 4), 0.7))
    torch.testing.assert_close(code, torch.full((6, 4), 0.25))


def test_a_score_for_all_prototypes_or_for_all_samples_does_not_matter() -> None:
    given = scores()
    shifted = given + torch.linspace(-1, 1, 8, dtype=torch.float64)[:, None] + torch.arange(4)
    node = build(Sinkhorn, iterations=60)
    torch.testing.assert_close(node(given), node(shifted), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_small_epsilon_and_extreme_scores_do_not_overflow(dtype: torch.dtype) -> None:
    for given, epsilon in ((scores(dtype=dtype), 1e-4), (scores(dtype=dtype) * 1e4, 0.05)):
        code = build(Sinkhorn, epsilon=epsilon)(given)
        assert code.isfinite().all()
        torch.testing.assert_close(code.sum(1), torch.ones(8, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_assigned_in_float32(dtype: torch.dtype) -> None:
    given = scores(dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        code = build(Sinkhorn)(given)
    assert code.dtype == torch.float32
    torch.testing.assert_close(code.double(), build(Sinkhorn)(given.double()), rtol=1e-4, atol=1e-6)


def test_codes_carry_no_gradient() -> None:
    assert not build(Sinkhorn)(scores().requires_grad_()).requires_grad


def test_a_scheduled_epsilon_is_read_in_each_call() -> None:
    node = build(Sinkhorn, epsilon={"from": 0.5, "to": 0.05})
    for epsilon in (0.5, 0.1):
        assert isinstance(node.epsilon, Tensor)
        node.epsilon.fill_(epsilon)
        torch.testing.assert_close(node(scores()), plain_sinkhorn(scores(), epsilon, 3), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("wrong", [{"epsilon": 0}, {"iterations": 0}, {"iterations": 101}, {"temperature": 1}])
def test_wrong_configs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Sinkhorn.Config(**wrong)
