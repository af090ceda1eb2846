"""NCE on a density whose constant is known: the graph `nce_toy` recovers it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from helpers import fresh

import graphssl
from graphssl.data import Batch

GRAPH = Path(__file__).parents[2] / "graphs" / "nce_toy.yaml"


@pytest.mark.parametrize("std", [1.5, 0.8])
def test_the_constant_and_the_variance_are_found(std: float) -> None:
    checked = graphssl.check(GRAPH, [f"nodes.sample.std={std}"])
    assert not checked.warnings
    step = fresh(checked, steps=600, steps_per_epoch=6)
    index = torch.arange(250)
    batch = Batch(torch.zeros(250, 3, 1, 1, dtype=torch.uint8), index, torch.full_like(index, -1))
    for number in range(600):
        step(number, [batch])
    gamma = step.program.forward.state_dict()["objective.gamma"].item()
    precision = step.program.forward.state_dict()["model.log_precision"].exp()
    assert gamma == pytest.approx(math.log(2 * math.pi) + 2 * math.log(std), abs=0.05)
    torch.testing.assert_close(precision, torch.full((2,), 1 / std**2), rtol=0.05, atol=0)


def test_the_ratio_is_that_of_the_densities() -> None:
    from graphssl.component import Sizes, build, find
    from graphssl.ports import Negatives

    node = build(find("toy.log_ratio"), sizes=Sizes({"d": 3}), std=2.0)
    with torch.no_grad():
        node.log_precision.copy_(torch.tensor([0.3, -0.2, 0.0]))
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(5, 3, generator=generator), torch.randn(7, 3, generator=generator)
    scores = node(x, Negatives(noise))
    assert scores.negative.shape == (5, 7)
    precision = torch.tensor([0.3, -0.2, 0.0]).exp().double()

    def ratio(v: torch.Tensor) -> torch.Tensor:
        model = torch.distributions.Normal(0.0, precision.rsqrt()).log_prob(v.double()).sum(1)
        model = model + 1.5 * math.log(2 * math.pi) - precision.log().sum() / 2  # without its constant
        return model - torch.distributions.Normal(0.0, 2.0).log_prob(v).double().sum(1)

    torch.testing.assert_close(scores.positive.double(), ratio(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(scores.negative[0].double(), ratio(noise), rtol=1e-5, atol=1e-5)
