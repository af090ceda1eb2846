"""Pairs that are not computed until they are asked for."""

from __future__ import annotations

import math

import pytest
import torch
from pair_samples import B, D, N, clip, own, values

from graphssl.ports import Pairs, pieces


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of seven columns in float64, the last of two."""
    monkeypatch.setattr(pieces, "PIECE", 7 * 8 * B)


def test_all_pairs_at_once_are_the_same_pairs() -> None:
    query, entries = (t.detach() for t in values())
    expected = [[(q @ e).item() for e in entries] for q in query]
    torch.testing.assert_close(Pairs(query, entries).whole(), torch.tensor(expected, dtype=torch.float64))
    unit = [[(q @ e / e.norm()).item() for e in entries] for q in query]
    torch.testing.assert_close(Pairs(query, entries, True).whole(), torch.tensor(unit, dtype=torch.float64))
    clipped = [[1.5 * math.tanh(s / 1.5) for s in row] for row in unit]
    whole = Pairs(query, entries, True, clip(1.5)).whole()
    torch.testing.assert_close(whole, torch.tensor(clipped, dtype=torch.float64))


def test_an_entry_of_zeros_has_a_cosine_of_zero() -> None:
    pairs = Pairs(torch.ones(1, D), torch.zeros(2, D), True)
    assert pairs.whole().tolist() == [[0, 0]]
    assert pairs.log_sum_exp(None).item() == pytest.approx(math.log(2))


def test_only_what_is_larger_than_a_piece_is_large() -> None:
    assert not Pairs(*values(B, 7)).large
    assert Pairs(*values(B, 8)).large
    assert not Pairs(*(t.float() for t in values(B, 14))).large


def test_own_marks_one_column_of_each_row() -> None:
    mask = own()
    assert mask.whole().sum(1).tolist() == [1] * B
    assert mask.shape == (B, N)
    assert torch.equal(torch.cat([part.whole() for part in mask.chunk(2)]), mask.whole())
