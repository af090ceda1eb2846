"""One softmax over pairs follows another's: ReSSL's and SEED's losses, written out in float64; what is left out."""

from __future__ import annotations

import math

import pytest
import torch
from score_samples import node, sample
from torch import Tensor
from torch.nn.functional import normalize

from graphssl.component import build
from graphssl.components.critic import Cosine
from graphssl.ports import Negatives, Scores


def vectors(b: int = 5, n: int = 7, d: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Student, teacher and queue; the student has a gradient."""
    generator = torch.Generator().manual_seed(0)
    made = [torch.randn(rows, d, generator=generator, dtype=torch.float64) for rows in (b, b, n)]
    return made[0].requires_grad_(), made[1], made[2]


def scores(query: Tensor, key: Tensor, queue: Tensor, temperature: float) -> Scores:
    found: Scores = build(Cosine, temperature=temperature)(query, key, Negatives(queue))
    return found


def softmax(values: list[Tensor]) -> list[Tensor]:
    total = sum(v.exp() for v in values)
    return [v.exp() / total for v in values]


def ressl(student: Tensor, teacher: Tensor, queue: Tensor) -> Tensor:
    """Equations 4 to 6: both relations to the queue, 0.04 for the teacher's and 0.1 for the student's."""
    costs = []
    for s, t in zip(student, teacher, strict=True):
        targets = softmax([normalize(t, dim=0) @ normalize(e, dim=0) / 0.04 for e in queue])
        shares = softmax([normalize(s, dim=0) @ normalize(e, dim=0) / 0.1 for e in queue])
        costs.append(-sum(p * q.log() for p, q in zip(targets, shares, strict=True)))
    return torch.stack(costs).mean()


def seed(student: Tensor, teacher: Tensor, queue: Tensor) -> Tensor:
    """Equations 2 to 4: relations to the teacher's embedding and the queue, 0.01 for the teacher's and 0.2."""
    costs = []
    for s, t in zip(student, teacher, strict=True):
        others = [normalize(e, dim=0) for e in (t, *queue)]
        targets = softmax([normalize(t, dim=0) @ e / 0.01 for e in others])
        shares = softmax([normalize(s, dim=0) @ e / 0.2 for e in others])
        costs.append(-sum(p * q.log() for p, q in zip(targets, shares, strict=True)))
    return torch.stack(costs).mean()


@pytest.mark.parametrize(
    ("theirs", "positive", "temperatures"), [(ressl, False, (0.1, 0.04)), (seed, True, (0.2, 0.01))]
)
def test_it_is_the_papers_loss_in_value_and_gradient(theirs, positive, temperatures) -> None:  # type: ignore[no-untyped-def]
    student, teacher, queue = vectors()
    soft, sharp = temperatures
    ours = node("soft_cross_entropy", positive=positive)(
        scores(student, teacher, queue, soft), scores(teacher, teacher, queue, sharp)
    )
    expected = theirs(student, teacher, queue)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)
    one, two = (torch.autograd.grad(loss, student)[0] for loss in (ours, expected))
    torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("more", [(), (3,), (2, 2)])
@pytest.mark.parametrize("positive", [False, True])
def test_pairs_that_either_mask_leaves_out_are_none(more: tuple[int, ...], positive: bool) -> None:
    """The first sample has no negatives; without its positive it costs nothing. Several positives are pairs each."""
    prediction, target = sample(more=more, masked=0.4), sample(more=more, scale=0.7)
    found = node("soft_cross_entropy", positive=positive)(prediction, target)
    costs = []
    for i in range(4):
        kept = [j for j in range(6) if not prediction.mask[i, j]]  # type: ignore[index]
        pair = [
            [*(s.positive[i].reshape(-1) if positive else []), *(s.negative[i, j] for j in kept)]  # type: ignore[index]
            for s in (prediction, target)
        ]
        if pair[0]:
            shares, targets = (softmax(values) for values in pair)
            costs.append(-sum(p * q.log() for p, q in zip(targets, shares, strict=True)))
    torch.testing.assert_close(found, sum(costs) / 4, rtol=1e-10, atol=1e-12)
    (gradient,) = torch.autograd.grad(found, prediction.negative)  # type: ignore[arg-type]
    assert gradient.isfinite().all()
    assert (gradient[prediction.mask] == 0).all()


def test_what_follows_costs_the_entropy_and_moves_nothing() -> None:
    given = sample()
    loss = node("soft_cross_entropy")(given, Scores(given.positive.detach(), given.negative.detach()))  # type: ignore[union-attr]
    share = torch.softmax(torch.cat([given.positive[:, None], given.negative], 1), 1)  # type: ignore[list-item]
    assert loss.item() == pytest.approx(-(share * share.log()).sum(1).mean().item())
    assert torch.autograd.grad(loss, given.negative)[0].abs().max() < 1e-12  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_are_compared_in_float32(dtype: torch.dtype) -> None:
    low = torch.tensor([[-6e4, 0.0, 6e4]], dtype=dtype)
    loss = node("soft_cross_entropy")(
        Scores(torch.zeros(1, dtype=dtype), low), Scores(torch.zeros(1, dtype=dtype), low)
    )
    assert loss.dtype == torch.float32
    assert loss.item() == 0
    assert math.isfinite(loss.item())


def test_what_is_not_of_the_same_pairs_is_refused() -> None:
    for one, other in ((sample(n=6), sample(n=5)), (sample(more=(2,)), sample())):
        with pytest.raises(ValueError, match="give both critics the same negatives, and keys of as many positions"):
            node("soft_cross_entropy")(one, other)
    with pytest.raises(ValueError, match="compares relations to others: give both critics a third value"):
        node("soft_cross_entropy")(Scores(torch.zeros(3)), sample(b=3))
