"""NCE's constant: set by the first batch and kept, learned, or given."""

from __future__ import annotations

import math

import pytest
import torch
from score_samples import agree, node, sample
from torch.nn import functional as F

from graphssl.component import find
from graphssl.ports import Scores


def estimate(scores: Scores) -> float:
    """log(Z / N) = log mean exp(T) over what is not masked."""
    kept = ~(scores.mask if scores.mask is not None else torch.zeros_like(scores.negative, dtype=torch.bool))
    return torch.cat([scores.positive.flatten(), scores.negative[kept]]).exp().mean().log().item()


@pytest.mark.parametrize("more", [(), (3,)])
@pytest.mark.parametrize("masked", [0.0, 0.3])
def test_the_first_batch_sets_the_constant(more: tuple[int, ...], masked: float) -> None:
    scores = sample(more=more, masked=masked)
    objective = node("nce")
    log_z = estimate(scores)
    torch.testing.assert_close(objective(scores), node("nce_fixed", log_z=log_z)(scores), rtol=1e-12, atol=0)
    objective.settle(scores)
    assert objective.known
    assert objective.log_z.item() == pytest.approx(log_z, rel=1e-6)


def test_the_estimate_carries_no_gradient() -> None:
    scores = sample()
    agree(node("nce"), node("nce_fixed", log_z=estimate(scores)), scores)


def test_later_batches_do_not_move_it() -> None:
    first, second = sample(), sample(b=5, scale=7)
    objective = node("nce")
    objective.settle(first)
    kept = objective.log_z.clone()
    objective.settle(second)
    assert torch.equal(objective.log_z, kept)
    torch.testing.assert_close(objective(second), node("nce_fixed", log_z=kept.item())(second), rtol=1e-12, atol=0)


def test_forward_writes_nothing() -> None:
    objective = node("nce")
    objective(sample())
    assert not objective.known
    assert objective.log_z == 0


def test_the_constant_is_saved() -> None:
    objective, other = node("nce"), node("nce")
    assert list(objective.state_dict()) == ["log_z", "known"]
    objective.settle(sample())
    other.load_state_dict(objective.state_dict())
    scores = sample(b=3, scale=5)
    assert torch.equal(objective(scores), other(scores))


def test_only_the_first_batchs_way_has_a_state() -> None:
    assert list(find("objective.nce").updates) == ["settle"]
    assert not find("objective.nce_learned").updates
    assert not find("objective.nce_fixed").updates


@pytest.mark.parametrize("level", [-1e4, 0.0, 1e4])
def test_equal_scores_are_told_apart_by_chance_at_any_level(level: float) -> None:
    """h is 1 / (1 + m) for every pair: the estimate takes the level out."""
    m = 5
    scores = Scores(torch.full((3,), level, dtype=torch.float64), torch.full((3, m), level, dtype=torch.float64))
    expected = math.log(1 + m) + m * math.log((1 + m) / m)
    assert node("nce")(scores).item() == pytest.approx(expected, rel=1e-9)


def test_the_number_of_entries_does_not_matter() -> None:
    """P / (P + m Pn) with P = exp(T) / Z, Z = N mean exp(T), Pn = 1 / N, for any N."""
    scores = sample(b=1, n=3)
    mean = torch.cat([scores.positive, scores.negative[0]]).exp().mean()
    for entries in (10, 50_000):
        p = torch.cat([scores.positive, scores.negative[0]]).exp() / (entries * mean)
        h = p / (p + 3 / entries)
        plain = -torch.log(h[0]) - torch.log(1 - h[1:]).sum()
        torch.testing.assert_close(node("nce")(scores), plain)


def test_a_learned_constant_with_one_negative_is_logistic_regression_with_a_bias() -> None:
    """P(1 | x) = sigmoid(G(x) - gamma)."""
    scores, objective = sample(n=1), node("nce_learned", gamma=0.5)
    logits = torch.cat([scores.positive, scores.negative[:, 0]]) - objective.gamma.double()
    labels = torch.cat([torch.ones(4), torch.zeros(4)]).double()
    plain = 2 * F.binary_cross_entropy_with_logits(logits, labels)
    loss = objective(scores)
    torch.testing.assert_close(loss, plain)
    torch.testing.assert_close(torch.autograd.grad(loss, objective.gamma), torch.autograd.grad(plain, objective.gamma))


def test_the_learned_constant_finds_the_log_of_the_mean_of_noise() -> None:
    """Where data is as the model says, exp(T) / mean exp(T) times as frequent as noise, gamma is log mean exp(T)."""
    t = torch.tensor([0.3, 1.0, -0.7, 2.0], dtype=torch.float64)
    data = torch.softmax(t, 0)  # of pairs that are uniform under noise

    def slope(gamma: float) -> float:
        """d loss / d gamma, expected over data and one noise pair."""
        objective = node("nce_learned", gamma=gamma)
        losses = [data[i] * objective(Scores(t[i : i + 1], t[j : j + 1, None])) / 4 for i in range(4) for j in range(4)]
        return torch.autograd.grad(torch.stack(losses).sum(), objective.gamma)[0].item()

    best = t.exp().mean().log().item()
    assert slope(best) == pytest.approx(0, abs=1e-7)
    assert slope(best - 0.1) < -1e-3
    assert slope(best + 0.1) > 1e-3


def test_gamma_has_a_finite_gradient_where_a_query_has_no_negatives() -> None:
    objective, scores = node("nce_learned"), sample(masked=0.3)
    assert scores.mask[0].all()
    found = torch.autograd.grad(objective(scores), objective.gamma)[0]
    alone = torch.autograd.grad(objective(Scores(*(t[1:] for t in scores[:3]))), objective.gamma)[0]
    torch.testing.assert_close(found, alone * 3 / 4)
