"""The alias method: tables that give back the weights exactly, and draws by them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import chisquare

from graphssl.components.negatives.alias import AliasSampler, alias_table

Weights = NDArray[np.float64]


def probabilities(keep: Weights, alias: NDArray[np.int64]) -> Weights:
    """What the tables stand for: each slot gives its own index, or its alias."""
    total = np.zeros(len(keep))
    for i in range(len(keep)):
        total[i] += keep[i] / len(keep)
        total[alias[i]] += (1 - keep[i]) / len(keep)
    return total


def shares(weights: Weights) -> Weights:
    scaled = weights / weights.max()
    return scaled / scaled.sum()


SHAPES: list[Callable[[np.random.Generator, int], Weights]] = [
    lambda g, n: g.random(n),
    lambda g, n: g.random(n) ** 9,
    lambda g, n: np.exp(5 * g.standard_normal(n)),
    lambda g, n: g.integers(0, 3, n) + np.eye(1, n)[0],
    lambda g, n: np.sort(g.random(n)),
    lambda g, n: np.full(n, g.random()),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_tables_give_back_the_weights(shape: Callable[[np.random.Generator, int], Weights]) -> None:
    generator = np.random.default_rng(0)
    for n in (1, 2, 3, 4, 7, 20, 63, 500):
        weights = shape(generator, n)
        keep, alias = alias_table(weights)
        np.testing.assert_allclose(probabilities(keep, alias), shares(weights), rtol=1e-9, atol=1e-15)
        assert ((keep >= 0) & (keep <= 1)).all()


@pytest.mark.parametrize(
    "weights",
    [[3], [0, 0, 1], [1, 0, 0], [1, 1e-12], [1e308, 1e308, 1], [1e-300, 2e-300, 0], [1e9, *[1] * 100], [*[1] * 100, 1e9],
     [0.1] * 10, [1 / 3] * 1000, [2, 1, 1, 0]],
)  # fmt: skip
def test_extreme_weights(weights: list[float]) -> None:
    given = np.array(weights, dtype=float)
    keep, alias = alias_table(given)
    found = probabilities(keep, alias)
    np.testing.assert_allclose(found, shares(given), rtol=1e-9, atol=1e-15)
    assert (found[given == 0] == 0).all()


def test_draws_follow_the_weights() -> None:
    weights = np.random.default_rng(1).random(50) ** 3
    draws = AliasSampler(weights).draw((100, 2000), torch.Generator().manual_seed(0), torch.device("cpu"))
    counts = torch.bincount(draws.flatten(), minlength=50).numpy()
    assert draws.dtype == torch.int64
    assert chisquare(counts, shares(weights) * 200_000).pvalue > 1e-3


def test_two_draws_of_a_row_are_independent() -> None:
    weights = np.array([1.0, 2.0, 5.0])
    draws = AliasSampler(weights).draw((60_000, 2), torch.Generator().manual_seed(0), torch.device("cpu"))
    counts = torch.bincount(draws[:, 0] * 3 + draws[:, 1], minlength=9).numpy()
    assert chisquare(counts, 60_000 * np.outer(shares(weights), shares(weights)).flatten()).pvalue > 1e-3


def test_what_weighs_nothing_is_never_drawn() -> None:
    weights = np.zeros(1000)
    weights[[3, 500, 999]] = 1e-3, 5, 7
    draws = AliasSampler(weights).draw((200_000,), torch.Generator().manual_seed(0), torch.device("cpu"))
    assert set(draws.tolist()) == {3, 500, 999}


def test_the_tables_move_with_the_module_and_are_not_saved() -> None:
    sampler = AliasSampler(np.array([1.0, 2.0]))
    assert sampler.state_dict() == {}
    assert {k: b.dtype for k, b in sampler.named_buffers()} == {"keep": torch.float32, "alias": torch.int64}
    meta = sampler.to("meta")
    assert meta.draw((4, 5), None, torch.device("meta")).shape == (4, 5)
    with torch.device("meta"):
        assert AliasSampler(np.array([1.0, 2.0])).keep.is_meta
