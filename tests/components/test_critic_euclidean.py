"""Minus the Euclidean distance in float64, near neighbours in float32, and the gradient where two points meet."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from graphssl.component import build
from graphssl.components.critic import Euclidean, picked
from graphssl.components.negatives import InBatch
from graphssl.components.objective import Margin
from graphssl.ports import Negatives, Scores

D = 6


def critic() -> nn.Module:
    return build(Euclidean)


def values(b: int = 4, n: int = 7, positions: tuple[int, ...] = ()) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key, entries: float64, with a gradient."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((b, D), (b, *positions, D), (n, D))
    made = (torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes)
    return tuple(made)  # type: ignore[return-value]


def plain(query: Tensor, key: Tensor) -> Tensor:
    return -sum((q - k) ** 2 for q, k in zip(query, key, strict=True)).sqrt()


@pytest.mark.parametrize(("n", "picked"), [(7, False), (7, True), (250, True)])
@pytest.mark.parametrize("positions", [(), (2, 3)])
def test_scores_and_gradients_follow_the_formula(positions: tuple[int, ...], n: int, picked: bool) -> None:
    query, key, entries = values(n=n, positions=positions)
    pick = torch.randint(n, (4, 4), generator=torch.Generator().manual_seed(1)) if picked else None
    scores = critic()(query, key, Negatives(entries, pick))
    flat = key.reshape(4, -1, D)
    positive = torch.stack([plain(query[i], k) for i in range(4) for k in flat[i]]).view(key.shape[:-1])
    rows = [range(n)] * 4 if pick is None else pick.tolist()
    negative = torch.stack([plain(query[i], entries[j]) for i in range(4) for j in rows[i]]).view(4, -1)
    torch.testing.assert_close((scores.positive, scores.negative), (positive, negative), rtol=1e-12, atol=1e-12)
    found, expected = (
        torch.autograd.grad((p * torch.arange(p.numel()).view_as(p)).sum() + (q**2).sum(), [query, key, entries])
        for p, q in ((scores.positive, scores.negative), (positive, negative))
    )
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_both_ways_to_score_picked_entries_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, entries = values(n=400)
    pick = torch.randint(400, (4, 5), generator=torch.Generator().manual_seed(2))
    results = []
    for row in (picked.ROW, 1000):
        monkeypatch.setattr(picked, "ROW", row)
        negative = critic()(query, key, Negatives(entries, pick)).negative
        results.append((negative, torch.autograd.grad(negative.square().sum(), [query, entries])))
    torch.testing.assert_close(results[0], results[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("picked", [False, True])
def test_small_distances_of_large_vectors_keep_their_digits(picked: bool) -> None:
    """|x|^2 - 2 xy + |y|^2 in float32 has an error of 1e-7 |x|^2, here a hundred times the squared distance."""
    generator = torch.Generator().manual_seed(0)
    query = 30 * torch.randn(64, 128, generator=generator)
    entries = query + 1e-3 * torch.randn(64, 128, generator=generator)
    pick = torch.arange(64)[:, None].expand(-1, 1) if picked else None
    scores = critic()(query, entries, Negatives(entries, pick))
    near = scores.negative.squeeze(1) if picked else scores.negative.diagonal()
    exact = -(query.double() - entries.double()).norm(dim=1)
    assert exact.abs().max() < 0.02
    torch.testing.assert_close(near.double(), exact, rtol=1e-5, atol=0)
    torch.testing.assert_close(scores.positive.double(), exact, rtol=1e-5, atol=0)


@pytest.mark.parametrize("picked", [False, True])
def test_where_two_points_meet_the_gradient_is_zero(picked: bool) -> None:
    query = torch.randn(3, D, requires_grad=True)
    entries = query.detach().clone().requires_grad_()
    pick = torch.arange(3)[:, None] if picked else None
    scores = critic()(query, entries, Negatives(entries, pick))
    assert scores.positive.tolist() == [0, 0, 0]
    met = scores.negative.squeeze(1) if picked else scores.negative.diagonal()
    assert met.tolist() == [0, 0, 0]
    for score in (scores.positive, met):
        for gradient in torch.autograd.grad(score.sum(), [query, entries], retain_graph=True):
            assert gradient.eq(0).all()


def test_distances_are_symmetric_and_keep_the_triangle_inequality() -> None:
    points = torch.randn(12, D)
    distance = -critic()(points, points, Negatives(points)).negative
    torch.testing.assert_close(distance, distance.T)
    assert (distance[:, None] <= distance[:, :, None] + distance[None] + 1e-5).all()


def test_the_margin_loss_on_one_pair_apart_and_one_together() -> None:
    """Hadsell's equation 4 by hand: D+ = 5, D- = 0.5, margin 2."""
    query, key = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    scores = critic()(query, key, Negatives(torch.tensor([[0.3, 0.4]])))
    assert build(Margin, margin=2.0)(scores).item() == pytest.approx(0.5 * 25 + 0.5 * 1.5**2)


def test_mask_and_same_go_on_and_positions_are_masked_whole() -> None:
    query, key, entries = values(positions=(2,))
    mask, same = torch.rand(2, 4, 7) < 0.5
    scores = critic()(query, key, Negatives(entries, None, mask, same))
    assert scores.mask is mask
    assert scores.same is same
    inside = critic()(query, key, build(InBatch)((key,)))
    assert inside.mask.sum(1).tolist() == [2] * 4


def test_without_negatives_and_for_a_batch_of_one() -> None:
    query, key, entries = values(b=1, n=1)
    alone = critic()(query, key)
    assert isinstance(alone, Scores)
    assert alone[1:] == (None, None, None)
    assert critic()(query, key, Negatives(entries)).negative.shape == (1, 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scored_in_float32(dtype: torch.dtype) -> None:
    query, key, entries = (t.detach().to(dtype) for t in values())
    with torch.autocast("cpu", torch.bfloat16):
        scores = critic()(query, key, Negatives(entries))
    expected = critic()(query.double(), key.double(), Negatives(entries.double()))
    assert scores.positive.dtype == scores.negative.dtype == torch.float32
    for ours, theirs in zip(scores[:2], expected[:2], strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-6, atol=1e-6)


def test_distances_beyond_the_range_of_float16_are_finite() -> None:
    large = torch.full((2, D), 60000.0, dtype=torch.float16, requires_grad=True)
    scores = critic()(large, -large.detach(), Negatives(-large.detach()))
    torch.testing.assert_close(scores.positive, torch.full((2,), -120000 * math.sqrt(D)), rtol=1e-3, atol=0)
    assert torch.autograd.grad(scores.negative.sum(), large)[0].isfinite().all()


def test_it_has_no_config() -> None:
    with pytest.raises(ValidationError):
        Euclidean.Config(temperature=0.1)  # type: ignore[call-arg]
