"""The estimators' bounds: exact on small discrete distributions, near on Gaussians of known mutual information."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from score_samples import node, sample
from torch import Tensor

from graphssl.ports import Scores

LOG2 = math.log(2)
P = torch.tensor([1, 2, 3, 6], dtype=torch.float64) / 12  # of positives
Q = torch.tensor([4, 4, 3, 1], dtype=torch.float64) / 12  # of negatives
RATIO = P / Q


def divergences(p: Tensor, q: Tensor) -> dict[str, float]:
    """In nats, from their definitions."""
    m = (p + q) / 2
    found = {
        "kl": (p * torch.log(p / q)).sum(),
        "reverse_kl": (q * torch.log(q / p)).sum(),
        "chi_squared": ((p - q) ** 2 / q).sum(),
        "squared_hellinger": ((p.sqrt() - q.sqrt()) ** 2).sum(),
        "js": ((p * torch.log(p / m)).sum() + (q * torch.log(q / m)).sum()) / 2,
    }
    return {k: v.item() for k, v in found.items()}


D = divergences(P, Q)
# Objective, config, the best scores, and what its bound then is.
TIGHT: dict[str, tuple[str, dict[str, str], Tensor, float]] = {
    "dv": ("dv", {}, RATIO.log() + 5, D["kl"]),
    "nwj": ("nwj", {}, RATIO.log() + 1, D["kl"]),
    "jsd": ("jsd", {}, RATIO.log(), 2 * D["js"]),
    "f kl": ("f_divergence", {"kind": "kl"}, RATIO.log(), D["kl"]),
    "f reverse kl": ("f_divergence", {"kind": "reverse_kl"}, RATIO.log(), D["reverse_kl"]),
    "f chi squared": ("f_divergence", {"kind": "chi_squared"}, 2 * (RATIO - 1), D["chi_squared"]),
    "f hellinger": ("f_divergence", {"kind": "squared_hellinger"}, RATIO.log() / 2, D["squared_hellinger"]),
    "f jsd": ("f_divergence", {"kind": "jsd"}, RATIO.log(), 2 * D["js"]),
    "f gan": ("f_divergence", {"kind": "gan"}, RATIO.log(), 2 * D["js"] - 2 * LOG2),
}


def drawn(critic: Tensor) -> Scores:
    """Each score as often among the positives as P says, and among the negatives as Q says."""
    of_p, of_q = (torch.repeat_interleave(torch.arange(4), (d * 12).round().long()) for d in (P, Q))
    return Scores(critic[of_p], critic[of_q][:, None])


@pytest.mark.parametrize("case", TIGHT)
def test_the_best_critic_gives_the_divergence_and_no_gradient(case: str) -> None:
    name, config, best, divergence = TIGHT[case]
    objective, critic = node(name, **config), best.clone().requires_grad_()
    scores = drawn(critic)
    loss = objective(scores)
    assert objective.bound(loss, scores).item() == pytest.approx(divergence, rel=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(loss, critic)[0], torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", TIGHT)
def test_no_critic_gives_more_than_the_divergence(case: str, seed: int) -> None:
    name, config, best, divergence = TIGHT[case]
    objective = node(name, **config)
    noise = torch.randn(4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for scale in (0.01, 0.3, 3.0):
        scores = drawn(best + scale * noise)
        assert objective.bound(objective(scores), scores) < divergence


def test_infonce_bounds_no_more_than_the_log_of_its_candidates() -> None:
    objective = node("infonce")
    for scale in (0.1, 1.0, 10.0, 1e4):
        scores = sample(scale=scale)
        assert objective.bound(objective(scores), scores) <= math.log(7)
    perfect = Scores(torch.full((3,), 100.0), torch.zeros(3, 6))
    assert objective.bound(objective(perfect), perfect).item() == pytest.approx(math.log(7))


@pytest.mark.parametrize("more", [(), (3,)])
def test_infonces_bound_counts_each_querys_own_negatives(more: tuple[int, ...]) -> None:
    objective, scores = node("infonce"), sample(b=8, more=more, masked=0.2, same=0.2)
    kept = [sum(1 for j in range(6) if not (scores.mask[i, j] or scores.same[i, j])) for i in range(8)]
    assert len(set(kept)) > 2
    loss = objective(scores)
    expected = sum(math.log(n + 1) for n in kept) / 8 - loss.item()
    assert objective.bound(loss, scores).item() == pytest.approx(expected, rel=1e-12)


def test_infonce_tells_nothing_of_equal_scores() -> None:
    scores = Scores(torch.zeros(3), torch.zeros(3, 6), torch.arange(6).expand(3, 6) < torch.arange(3)[:, None])
    objective = node("infonce")
    assert objective.bound(objective(scores), scores).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0, 1e4])
def test_the_jensen_shannon_estimate_is_at_most_log_4(scale: float) -> None:
    objective = node("jsd")
    perfect = Scores(torch.full((3,), scale), torch.full((3, 4), -scale))
    for scores in (sample(scale=scale), perfect):
        assert objective.bound(objective(scores), scores) <= math.log(4)


def gaussians(n: int = 3000, d: int = 2, rho: float = 0.5) -> Scores:
    """log p(x, y) / (p(x) p(y)) of all pairs of n samples of d pairs of normal numbers with correlation rho."""
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, n, d, generator=generator)
    y = rho * x + math.sqrt(1 - rho**2) * noise
    product, squares = x @ y.T, (x**2).sum(1)[:, None] + (y**2).sum(1)
    ratio = (rho * product - rho**2 * squares / 2) / (1 - rho**2) - d / 2 * math.log(1 - rho**2)
    return Scores(ratio.diag(), ratio, torch.eye(n, dtype=torch.bool))


SHIFTS: dict[str, Callable[[Tensor], Tensor]] = {"dv": lambda t: t, "infonce": lambda t: t, "nwj": lambda t: t + 1}


def test_the_estimators_find_the_mutual_information_of_gaussians() -> None:
    """0.288 nats; with 3000 samples the mean of the ratio has a standard error of 0.013."""
    truth = -math.log(1 - 0.5**2)
    scores = gaussians()
    for name, shift in SHIFTS.items():
        objective = node(name)
        shifted = Scores(shift(scores.positive), shift(scores.negative), scores.mask)
        assert objective.bound(objective(shifted), shifted).item() == pytest.approx(truth, abs=0.03), name


def test_the_estimators_find_none_where_there_is_none() -> None:
    scores = gaussians(n=300, rho=0.0)
    for name, shift in SHIFTS.items():
        objective = node(name)
        shifted = Scores(shift(scores.positive), shift(scores.negative), scores.mask)
        assert objective.bound(objective(shifted), shifted).item() == pytest.approx(0, abs=1e-5), name
