"""One other sample for each: permutations without fixed points, positions, the batch of one."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from graphssl.component import build
from graphssl.components.critic import Dot
from graphssl.components.negatives import Shuffle
from graphssl.components.objective import InfoNCE


def draws(b: int, seed: int = 0) -> Tensor:
    return build(Shuffle).draw(b, torch.Generator().manual_seed(seed), torch.device("cpu"))


@pytest.mark.parametrize("b", [2, 3, 4, 5, 17, 64])
def test_no_sample_is_its_own_negative_and_each_is_one_once(b: int) -> None:
    for seed in range(50):
        order = draws(b, seed).tolist()
        assert sorted(order) == list(range(b))
        assert all(j != i for i, j in enumerate(order))


def test_all_cycles_through_the_batch_are_equally_likely() -> None:
    generator, node = torch.Generator().manual_seed(0), build(Shuffle)
    found = Counter(tuple(node.draw(4, generator, torch.device("cpu")).tolist()) for _ in range(6000))
    assert len(found) == math.factorial(3)
    assert chisquare(list(found.values())).pvalue > 1e-3
    for order in found:
        place = 0
        for _ in range(3):
            place = order[place]
            assert place != 0


def test_draws_come_from_the_generator() -> None:
    assert torch.equal(draws(9, 3), draws(9, 3))
    assert not torch.equal(draws(9, 3), draws(9, 4))
    assert build(Shuffle).draw(4, None, torch.device("meta")).shape == (4,)


@pytest.mark.parametrize("positions", [(), (3,), (2, 3)])
def test_the_negatives_are_all_positions_of_the_other_sample(positions: tuple[int, ...]) -> None:
    key, order = torch.randn(5, *positions, 4), torch.tensor([1, 4, 0, 2, 3])
    given = build(Shuffle)(key, order)
    count = math.prod(positions)
    assert given.entries.shape == (5 * count, 4)
    assert given.pick.shape == (5, count)
    assert given.mask is None
    assert torch.equal(given.entries[given.pick], key[order].reshape(5, count, 4))


@pytest.mark.parametrize("positions", [(), (2, 3)])
def test_in_a_batch_of_one_the_sample_itself_is_masked(positions: tuple[int, ...]) -> None:
    key = torch.randn(1, *positions, 4, requires_grad=True)
    given = build(Shuffle)(key, draws(1))
    assert given.mask.all()
    assert given.mask.shape == given.pick.shape == (1, math.prod(positions))
    loss = build(InfoNCE)(build(Dot)(torch.ones(1, 4), key, given))
    assert loss.item() == 0
    assert torch.autograd.grad(loss, key)[0].eq(0).all()


def test_scores_and_gradients_of_shuffled_pairs() -> None:
    key, query, order = torch.randn(5, 4, requires_grad=True), torch.randn(5, 4), torch.tensor([1, 4, 0, 2, 3])
    scores = build(Dot)(query, key, build(Shuffle)(key, order))
    expected = torch.stack([query[i] @ key[order[i]] for i in range(5)])
    torch.testing.assert_close(scores.negative[:, 0], expected)
    weight = torch.arange(5.0)
    (found,) = torch.autograd.grad((scores.negative[:, 0] * weight).sum(), key)
    torch.testing.assert_close(found, torch.autograd.grad((expected * weight).sum(), key)[0])


def test_it_has_no_state() -> None:
    assert build(Shuffle).state_dict() == {}
