"""Loss terms: which weights and factors they may have."""

from __future__ import annotations

from conftest import MOCO, Write
from wired import read


def test_a_weight_that_starts_at_0_is_fine(write: Write) -> None:
    term = "infonce: {value: objective(s), weight: {from: 0, to: 1}}"
    assert read(write, MOCO, ("infonce: objective(s)", term)).terms[0].name == "infonce"


def test_a_negative_factor_is_fine(write: Write) -> None:
    graph = read(write, MOCO, ("infonce: objective(s)", "infonce: objective(s)\n  away: -0.5 * objective(s)"))
    assert [term.factor for term in graph.terms] == [1.0, -0.5]
