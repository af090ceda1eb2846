"""The scores in checkpoints: those of today, and those of before evaluations had names of their own."""

from __future__ import annotations

from typing import Any

import pytest

from graphssl.train.outcome import Scores, saved_scores


@pytest.mark.parametrize(
    ("payload", "scores"),
    [
        ({"scores": {"knn": {0: 0.5, 2: 0.75}, "third": {0: 3.0}}}, {"knn": {0: 0.5, 2: 0.75}, "third": {0: 3.0}}),
        ({"scores": {}}, {}),
        ({"knn": {0: 0.5}, "linear": {0: 0.25}}, {"knn": {0: 0.5}, "logistic": {0: 0.25}}),
        ({"knn": {0: 0.5}, "linear": {}}, {"knn": {0: 0.5}}),
        ({"knn": {0: 0.5}}, {"knn": {0: 0.5}}),
        ({"knn": {}}, {}),
        ({"step": 3}, {}),
    ],
)
def test_scores_of_every_age(payload: dict[str, Any], scores: Scores) -> None:
    assert saved_scores(payload) == scores


def test_they_are_a_copy() -> None:
    payload = {"scores": {"knn": {0: 0.5}}}
    saved_scores(payload)["knn"][1] = 0.75
    assert payload == {"scores": {"knn": {0: 0.5}}}
