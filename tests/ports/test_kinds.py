"""Kinds of values say the same whether their pairs and masks are computed or not."""

from __future__ import annotations

import torch
from pair_samples import B, N, lazy, own, some, values
from torch.utils._pytree import tree_flatten, tree_unflatten

from graphssl.ports import Negatives, Pairs, Scores, tensors_of


def test_by_their_names_pairs_and_masks_are_tensors() -> None:
    scores = lazy()
    query, entries = values()
    assert torch.equal(scores.negative, query @ entries.T)
    assert scores.mask.nonzero().tolist() == [[0, 0], [1, 6], [2, 7], [3, 22], [4, 13]]
    assert [tuple(t.shape) for t in tensors_of(scores)] == [(B,), (B, N)]
    assert torch.equal(Negatives(entries, mask=own()).mask, scores.mask)
    assert scores.pairs is not None
    assert scores.own is not None


def test_tensors_are_handed_on_as_they_are() -> None:
    query, entries = values()
    scores = Scores(query, entries, some())
    assert scores.negative is entries
    assert (scores.pairs, scores.own, scores.same) == (None, None, None)
    assert Scores(query).negative is None
    assert Negatives(entries).mask is None


def test_negatives_hand_on_what_they_say_of_pairs() -> None:
    query, entries = values()
    mask, same = own(), some()
    scores = Negatives(entries, None, mask, same).scores(query, Pairs(query, entries))
    assert scores.own is mask
    assert scores.same is same


def test_scores_are_a_tree_of_tensors() -> None:
    leaves, spec = tree_flatten(lazy())
    again = tree_unflatten(leaves, spec)
    assert isinstance(again, Scores)
    assert isinstance(again.pairs, Pairs)
    assert torch.equal(again.negative, lazy().negative)
