"""Values of each kind: their tensors, and what is done to all of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pair_samples import N, lazy, own, values

from graphssl.ports import Gaussian, Negatives, Pairs, Scores, detached, held, joined, outlasting, parted, tensors_of


def test_the_tensors_of_each_kind_are_those_with_axes() -> None:
    a, b = torch.zeros(2), torch.ones(2, 3)
    mask = torch.zeros(2, 3, dtype=torch.bool)
    assert [id(t) for t in tensors_of(a)] == [id(a)]
    assert [id(t) for t in tensors_of(Negatives(b, mask=mask))] == [id(b)]
    assert [id(t) for t in tensors_of(Scores(a, b, mask))] == [id(a), id(b)]
    assert [id(t) for t in tensors_of(Scores(a))] == [id(a)]
    assert [id(t) for t in tensors_of(Gaussian(b, a))] == [id(b)]


@pytest.mark.parametrize("value", [None, 1.0, (torch.zeros(1),), [torch.zeros(1)]])
def test_other_values_do_not_flow(value: Any) -> None:
    with pytest.raises(AssertionError, match="not a value of the flow"):
        tensors_of(value)


def test_detached_scores_have_no_gradient_and_stay_uncomputed() -> None:
    scores = detached(lazy())
    assert scores.pairs is not None
    assert not any(t.requires_grad for t in (scores.positive, scores.pairs.query, scores.pairs.entries))
    assert torch.equal(scores.mask, lazy().mask)


def test_held_scores_outlive_the_entries() -> None:
    query, entries = (t.detach() for t in values())
    scores = held(Scores(query, Pairs(query, entries), own()))
    expected = query @ entries.T
    entries.zero_()
    assert scores.pairs is None
    assert scores.own is None
    assert torch.equal(scores.negative, expected)
    assert held(query) is query


def test_scores_wait_for_the_optimizer_only_where_it_cannot_change_the_entries() -> None:
    scores = lazy()
    assert outlasting(scores).pairs is None
    fixed = Scores(scores.positive, Pairs(scores.pairs.query, scores.pairs.entries.detach()))  # type: ignore[union-attr]
    assert outlasting(fixed) is fixed
    assert outlasting(Scores(scores.positive)).negative is None


def test_scores_of_two_batches_join_and_part() -> None:
    scores = lazy()
    parts = parted(scores, 2)
    assert [p.pairs.shape for p in parts] == [(3, N), (2, N)]
    whole = joined(parts)
    for name in ("positive", "negative", "mask"):
        torch.testing.assert_close(getattr(whole, name), getattr(scores, name))
    assert whole.same is None


def test_parts_of_two_batches_take_turns() -> None:
    one, other = torch.arange(6).view(6, 1), torch.arange(10, 16).view(6, 1)
    both = joined([one, other], 3)
    assert both.flatten().tolist() == [0, 1, 10, 11, 2, 3, 12, 13, 4, 5, 14, 15]
    assert [t.flatten().tolist() for t in parted(both, 2, 3)] == [one.flatten().tolist(), other.flatten().tolist()]
    scores = [Scores(t[:, 0].float(), t.float()) for t in (one, other)]
    again = parted(joined(scores, 2), 2, 2)
    assert all(
        torch.equal(a.positive, b.positive) and torch.equal(a.negative, b.negative)
        for a, b in zip(scores, again, strict=True)
    )
    with pytest.raises(ValueError, match="a batch of 6 does not part into 4 equal splits"):
        joined([one, other], 4)
