"""InfoNCE against MoCo's and SimCLR's formulas, its masks and its digits."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from graphssl.component import build
from graphssl.components.critic import Cosine, Dot
from graphssl.components.negatives import InBatch
from graphssl.components.objective import InfoNCE
from graphssl.ports import Scores


def scores(b: int = 4, n: int = 6, scale: float = 3.0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Positive and negative scores, with a gradient."""
    generator = torch.Generator().manual_seed(0)
    positive = torch.randn(b, generator=generator, dtype=torch.float64) * scale
    negative = torch.randn(b, n, generator=generator, dtype=torch.float64) * scale
    return positive.to(dtype).requires_grad_(), negative.to(dtype).requires_grad_()


def plain_infonce(positive: Tensor, negative: Tensor, mask: Tensor | None = None) -> float:
    """-log of the share of the positive, sample by sample (MoCo, equation 1)."""
    losses = []
    for i, own in enumerate(positive.tolist()):
        kept = [t for j, t in enumerate(negative[i].tolist()) if mask is None or not mask[i, j]]
        losses.append(-math.log(math.exp(own) / (math.exp(own) + sum(map(math.exp, kept)))))
    return sum(losses) / len(losses)


def test_infonce_is_the_formula() -> None:
    positive, negative = scores()
    loss = build(InfoNCE)(Scores(positive, negative))
    assert loss.shape == ()
    assert loss.item() == pytest.approx(plain_infonce(positive, negative), rel=1e-12)


def test_infonce_has_the_gradient_of_a_softmax() -> None:
    positive, negative = scores()
    loss = build(InfoNCE)(Scores(positive, negative))
    share = torch.softmax(torch.cat([positive[:, None], negative], 1), 1) / len(positive)
    ours = torch.autograd.grad(loss, (positive, negative))
    torch.testing.assert_close(ours, (share[:, 0] - 1 / len(positive), share[:, 1:]), rtol=1e-12, atol=1e-15)


def test_infonce_gradient_by_finite_differences() -> None:
    mask = torch.rand(4, 6, generator=torch.Generator().manual_seed(1)) < 0.4
    objective = build(InfoNCE)
    assert torch.autograd.gradcheck(lambda p, n: objective(Scores(p, n, mask)), scores())


def test_infonce_is_mocos_cross_entropy() -> None:
    """Algorithm 1 of MoCo: the positive first, label 0."""
    positive, negative = scores()
    logits = torch.cat([positive[:, None], negative], dim=1)
    expected = F.cross_entropy(logits, torch.zeros(4, dtype=torch.int64))
    torch.testing.assert_close(build(InfoNCE)(Scores(positive, negative)), expected)


def test_infonce_on_dot_products_is_the_n_pair_loss() -> None:
    """log(1 + sum exp(f^T f- - f^T f+)): Sohn 2016, equation 5."""
    torch.manual_seed(0)
    anchor, other = torch.randn(2, 5, 3, dtype=torch.float64)
    s = build(Dot)(anchor, other, build(InBatch)((other,)))
    expected = torch.zeros((), dtype=torch.float64)
    for i in range(5):
        wrong = [torch.exp(anchor[i] @ other[j] - anchor[i] @ other[i]) for j in range(5) if j != i]
        expected = expected + torch.log(1 + torch.stack(wrong).sum()) / 5
    torch.testing.assert_close(build(InfoNCE)(s), expected)


def plain_ntxent(z: Tensor, temperature: float) -> Tensor:
    """SimCLR, equation 1 and algorithm 1: z holds 2b views, those of one image at k and b + k."""
    n = len(z)
    total = torch.zeros((), dtype=z.dtype)
    for i in range(n):
        j = (i + n // 2) % n
        similar = [z[i] @ z[k] / (z[i].norm() * z[k].norm()) / temperature for k in range(n)]
        below = torch.stack([similar[k] for k in range(n) if k != i]).exp().sum()
        total = total - torch.log(similar[j].exp() / below)
    return total / n


@pytest.mark.parametrize("b", [1, 2, 5])
def test_infonce_with_the_batch_is_simclrs_ntxent(b: int) -> None:
    torch.manual_seed(b)
    z = torch.randn(2 * b, 4, dtype=torch.float64, requires_grad=True)
    first, second = z.chunk(2)
    critic, others, objective = build(Cosine, temperature=0.3), build(InBatch)((first, second)), build(InfoNCE)
    ours = (objective(critic(first, second, others)) + objective(critic(second, first, others))) / 2
    theirs = plain_ntxent(z, 0.3)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(ours, z), torch.autograd.grad(theirs, z), rtol=1e-10, atol=1e-12)


def test_equal_scores_cost_log_of_their_number() -> None:
    loss = build(InfoNCE)(Scores(torch.full((3,), 2.0), torch.full((3, 7), 2.0)))
    assert loss.item() == pytest.approx(math.log(8))


def test_masked_pairs_are_no_negatives() -> None:
    positive, negative = scores()
    mask = torch.rand(4, 6, generator=torch.Generator().manual_seed(3)) < 0.5
    mask[1] = False
    loss = build(InfoNCE)(Scores(positive, negative, mask))
    assert loss.item() == pytest.approx(plain_infonce(positive, negative, mask), rel=1e-12)
    gradient = torch.autograd.grad(loss, negative)[0]
    assert (gradient[mask] == 0).all()
    assert (gradient[~mask] > 0).all()


def test_a_masked_score_does_not_matter_however_large() -> None:
    positive, negative = scores(dtype=torch.float32)
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[:, 2] = True
    large = negative.detach().clone()
    large[:, 2] = torch.tensor([1e30, math.inf, 3e38, 80.0])
    one, two = (build(InfoNCE)(Scores(positive, n, mask)) for n in (negative, large))
    assert torch.equal(one, two)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_positive_without_negatives_costs_nothing(dtype: torch.dtype) -> None:
    positive, negative = scores(dtype=dtype)
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[0] = True
    loss = build(InfoNCE)(Scores(positive, negative, mask))
    rest = build(InfoNCE)(Scores(positive[1:], negative[1:]))
    torch.testing.assert_close(loss, rest * 3 / 4)
    for gradient in torch.autograd.grad(loss, (positive, negative)):
        assert gradient.isfinite().all()
        assert (gradient[0] == 0).all()


def test_a_batch_of_one_with_itself_costs_nothing() -> None:
    z = torch.ones(1, 4, requires_grad=True)
    loss = build(InfoNCE)(build(Cosine, temperature=0.1)(z, z, build(InBatch)((z, z))))
    loss.backward()
    assert loss.item() == 0
    assert z.grad is not None
    assert (z.grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e3, 1e6, 1e30])
def test_large_scores_do_not_overflow(scale: float, dtype: torch.dtype) -> None:
    positive, negative = scores(scale=scale, dtype=dtype)
    loss = build(InfoNCE)(Scores(positive, negative))
    expected = (torch.logaddexp(positive, torch.logsumexp(negative, 1)) - positive).mean()
    torch.testing.assert_close(loss, expected)
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, (positive, negative)))


def test_small_losses_keep_their_digits() -> None:
    """Where the positive wins by far, the difference of two logarithms would be 0 in float32."""
    positive, negative = torch.tensor([20.0, 30.0]), torch.full((2, 10), -5.0)
    loss = build(InfoNCE)(Scores(positive, negative))
    expected = sum(math.log1p(10 * math.exp(-5 - p)) for p in positive.tolist()) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert loss.item() > 0


def test_infonce_says_that_it_needs_negatives() -> None:
    with pytest.raises(ValueError, match="InfoNCE needs negatives: give the critic a third value"):
        build(InfoNCE)(Scores(torch.zeros(3)))
