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
@pytest.mark.parametrize(("b", "p"), [(8, 4), (3, 7), (2, 5), (4, 1)])
def test_codes_are_those_of_the_plain_loop(iterations: int, epsilon: float, b: int, p: int) -> None:
    code = build(Sinkhorn, epsilon=epsilon, iterations=iterations)(scores(b, p))
    torch.testing.assert_close(code, plain_sinkhorn(scores(b, p), epsilon, iterations), rtol=1e-10, atol=1e-13)


# -- past samples ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("b", "n"), [(8, 24), (1, 3), (3, 1)])
def test_past_samples_are_assigned_with_the_batch_and_dropped(b: int, n: int) -> None:
    every = scores(b + n, 7)
    code = build(Sinkhorn)(every[:b], every[b:])
    torch.testing.assert_close(code, plain_sinkhorn(every, 0.05, 3)[:b], rtol=1e-10, atol=1e-13)


def test_past_samples_spread_a_small_batch_over_the_prototypes_that_are_free() -> None:
    """All of the past is of the first prototype; so is the batch, by its scores, but the first is taken."""
    past = torch.zeros(60, 4, dtype=torch.float64)
    past[:, 0] = 1
    batch = past[:2].clone()
    batch[:, 1] = 0.9
    node = build(Sinkhorn, iterations=50)
    alone, together = node(batch), node(batch, past)
    assert alone[:, 0].allclose(alone[:, 1])  # nothing else tells the prototypes apart
    assert (together[:, 1] > 0.99).all()


def test_a_weight_counts_a_past_sample_so_many_times() -> None:
    """Half of each of two equal samples is one of them; the batch counts whole, as it does with a weight of 1."""
    batch, past = scores(5), scores(11)[5:]
    half = build(Sinkhorn, weight=0.5)(batch, past.repeat_interleave(2, 0))
    torch.testing.assert_close(half, build(Sinkhorn)(batch, past), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("epsilon", [0.05, 1e-3])
def test_a_weight_of_zero_leaves_the_past_out(epsilon: float) -> None:
    batch, past = scores(5), scores(11)[5:]
    code = build(Sinkhorn, weight=0, epsilon=epsilon)(batch, past)
    torch.testing.assert_close(code, build(Sinkhorn, epsilon=epsilon)(batch), rtol=1e-10, atol=1e-13)


def test_a_scheduled_weight_lets_the_past_in_from_an_epoch_on() -> None:
    node = build(Sinkhorn, weight={"from": 0, "to": 1, "shape": "step", "over": 15})
    batch, past = scores(5), scores(11)[5:]
    schedule = node.Config(weight={"from": 0, "to": 1, "shape": "step", "over": 15}).weight
    for step, expected in ((149, plain_sinkhorn(batch, 0.05, 3)), (150, plain_sinkhorn(scores(11), 0.05, 3)[:5])):
        node.weight.fill_(schedule.at(step, 1000, 10))
        torch.testing.assert_close(node(batch, past), expected, rtol=1e-10, atol=1e-13)


def test_past_samples_of_another_precision_and_without_a_gradient() -> None:
    batch, past = scores(5, dtype=torch.bfloat16), scores(11)[5:].float().requires_grad_()
    code = build(Sinkhorn)(batch, past)
    assert code.dtype == torch.float32
    assert not code.requires_grad
    every = torch.cat([batch.double(), past.detach().double()])
    torch.testing.assert_close(code.double(), plain_sinkhorn(every, 0.05, 3)[:5], rtol=1e-4, atol=1e-6)


# -- codes -------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "wrong", [{"epsilon": 0}, {"iterations": 0}, {"iterations": 101}, {"weight": 2}, {"temperature": 1}]
)
def test_wrong_configs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Sinkhorn.Config(**wrong)


def test_one_sample_alone_has_no_code() -> None:
    scores = torch.randn(1, 4)
    with pytest.raises(ValueError, match="one alone gets equal parts of all, whatever its scores"):
        build(Sinkhorn)(scores)
    assert build(Sinkhorn)(scores, torch.randn(3, 4)).shape == (1, 4)
