"""DINO's teacher: centred, sharpened probabilities, and the centre's moving average, in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from graphssl.component import Sizes, Unbound, build
from graphssl.components.target import Centre


def centre(p: int = 4, **config: Any) -> Any:
    return build(Centre, sizes=Sizes({"p": p}), **config)


def logits(b: int = 5, p: int = 4, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, p, generator=generator, dtype=torch.float64).to(dtype)


@torch.no_grad()
def observe(node: Any, *views: Tensor) -> None:
    node.observe(views)


def plain_probabilities(given: Tensor, middle: Tensor, temperature: float) -> Tensor:
    rows = []
    for row in given.double():
        powers = [math.exp((v - c) / temperature) for v, c in zip(row.tolist(), middle.tolist(), strict=True)]
        rows.append([v / sum(powers) for v in powers])
    return torch.tensor(rows, dtype=torch.float64)


def test_probabilities_follow_the_formula() -> None:
    node = centre()
    node.centre.copy_(torch.tensor([0.5, -0.2, 0.1, 0.0]))
    shares = node(logits())
    torch.testing.assert_close(shares.double(), plain_probabilities(logits(), node.centre, 0.04), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(shares.sum(1), torch.ones(5))


def test_the_centre_starts_at_zero_and_is_saved() -> None:
    node = centre()
    assert {k: v.tolist() for k, v in node.state_dict().items()} == {"centre": [0.0] * 4}


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_the_centre_is_a_moving_average_over_the_batch_and_all_views(momentum: float) -> None:
    node = centre(momentum=momentum)
    expected = torch.zeros(4, dtype=torch.float64)
    for step in range(3):
        views = [logits(seed=2 * step), logits(seed=2 * step + 1)]
        mean = sum(row for view in views for row in view.double()) / 10
        expected = momentum * expected + (1 - momentum) * mean
        observe(node, *views)
    torch.testing.assert_close(node.centre.double(), expected, rtol=1e-5, atol=1e-7)


def test_two_views_are_one_observation() -> None:
    """Not two steps of the average, which would forget faster."""
    one, two = centre(), centre()
    view = logits(seed=3)
    observe(one, view)
    observe(two, view, view)
    torch.testing.assert_close(one.centre, two.centre)


def test_centring_takes_out_what_all_samples_share() -> None:
    """Logits that all favour one output: without the centre all mass is on it, with the centre none is favoured."""
    node = centre(momentum=0.0)
    given = 0.1 * logits(b=64) + torch.tensor([10.0, 0.0, 0.0, 0.0])
    assert node(given)[:, 0].min() > 0.999
    observe(node, given)
    torch.testing.assert_close(node(given).mean(0), torch.full((4,), 0.25), atol=0.15, rtol=0)


def test_forward_writes_nothing_and_carries_no_gradient() -> None:
    node = centre()
    assert not node(logits().requires_grad_()).requires_grad
    assert (node.centre == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    node, given = centre(), logits(dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        shares = node(given)
    observe(node, given)
    assert shares.dtype == node.centre.dtype == torch.float32
    torch.testing.assert_close(shares, centre()(given.float()))
    torch.testing.assert_close(node.centre, 0.1 * given.float().mean(0))
    extreme = torch.tensor([[6e4, -6e4, 0, 0]], dtype=torch.float16)
    torch.testing.assert_close(centre()(extreme), torch.tensor([[1.0, 0, 0, 0]]))


def test_a_batch_of_one() -> None:
    node = centre(momentum=0.0)
    observe(node, logits(b=1))
    torch.testing.assert_close(node.centre, logits(b=1)[0])
    torch.testing.assert_close(node(logits(b=1)), torch.full((1, 4), 0.25))


def test_schedules_are_read_in_each_call() -> None:
    node = centre(temperature={"from": 0.5, "to": 1.0}, momentum={"from": 0.5, "to": 1.0})
    for value in (0.5, 0.75, 1.0):
        node.temperature.fill_(value)
        node.momentum.fill_(value)
        before = node.centre.double()
        expected = plain_probabilities(logits(), before, value)
        torch.testing.assert_close(node(logits()).double(), expected, rtol=1e-5, atol=1e-7)
        observe(node, logits())
        mean = logits().double().mean(0)
        torch.testing.assert_close(node.centre.double(), value * before + (1 - value) * mean, rtol=1e-5, atol=1e-7)


def test_it_waits_for_the_number_of_outputs() -> None:
    with pytest.raises(Unbound, match="p"):
        build(Centre, sizes=Sizes())


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"momentum": 1.1}, {"momentum": -0.1}, {"center": 0}])
def test_wrong_configs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Centre.Config(**wrong)
