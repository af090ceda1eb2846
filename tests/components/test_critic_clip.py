"""AMDIM's soft clipping of scores."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from graphssl.component import build
from graphssl.components.critic import Clip
from graphssl.ports import Scores


def scores(scale: float = 20.0) -> Scores:
    """Positives `b r k` with their negatives, float64, with a gradient."""
    generator = torch.Generator().manual_seed(0)
    positive, negative = (torch.randn(s, generator=generator, dtype=torch.float64) * scale for s in ((3, 2, 2), (3, 5)))
    mask, same = torch.rand(2, 3, 5, generator=generator) < 0.3
    return Scores(positive.requires_grad_(), negative.requires_grad_(), mask, same)


@pytest.mark.parametrize("limit", [10.0, 0.5])
def test_values_and_gradients_follow_the_formula(limit: float) -> None:
    given = scores()
    clipped = build(Clip, limit=limit)(given)
    for ours, s in ((clipped.positive, given.positive), (clipped.negative, given.negative)):
        expected = [limit * math.tanh(v / limit) for v in s.flatten().tolist()]
        slope = [1 - math.tanh(v / limit) ** 2 for v in s.flatten().tolist()]
        (gradient,) = torch.autograd.grad(ours.sum(), s)
        torch.testing.assert_close(ours.flatten(), torch.tensor(expected).double(), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(gradient.flatten(), torch.tensor(slope).double(), rtol=1e-6, atol=1e-6)
        assert ours.abs().max() <= limit


def test_the_limit_is_ten_by_default_and_small_scores_stay() -> None:
    small = Scores(torch.tensor([0.01, -0.01]), torch.tensor([[1e4, -1e4]] * 2))
    clipped = build(Clip)(small)
    torch.testing.assert_close(clipped.positive, small.positive, rtol=1e-6, atol=0)
    assert clipped.negative.tolist() == [[10, -10]] * 2


def test_extreme_scores_have_a_gradient_of_zero() -> None:
    extreme = torch.tensor([1e4, -1e4, 1e30], requires_grad=True)
    (gradient,) = torch.autograd.grad(build(Clip)(Scores(extreme)).positive.sum(), extreme)
    assert gradient.tolist() == [0, 0, 0]


def test_mask_same_and_missing_negatives_go_on() -> None:
    given = scores()
    clipped = build(Clip)(given)
    assert clipped.mask is given.mask
    assert clipped.same is given.same
    assert build(Clip)(Scores(given.positive))[1:] == (None, None, None)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_clipped_in_float32(dtype: torch.dtype) -> None:
    given = Scores(torch.tensor([3.0, -200.0], dtype=dtype))
    with torch.autocast("cpu", torch.bfloat16):
        clipped = build(Clip)(given)
    assert clipped.positive.dtype == torch.float32
    assert clipped.positive.tolist() == pytest.approx([10 * math.tanh(0.3), -10])


@pytest.mark.parametrize("limit", [0, -1, "much"])
def test_wrong_limits_are_refused(limit: object) -> None:
    with pytest.raises(ValidationError):
        Clip.Config(limit=limit)  # type: ignore[arg-type]
