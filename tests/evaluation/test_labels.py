"""What figures are called: words that MLflow takes, and that are told apart."""

from __future__ import annotations

from typing import Any

import pytest

from graphssl.evaluation.labels import label_of, parse
from graphssl.track.names import clean_name


@pytest.mark.parametrize(
    ("otherwise", "of", "on", "label"),
    [
        ({}, None, None, "knn"),
        ({"k": 200}, None, None, "knn k 200"),
        ({"k": [5, 20], "temperature": 0.1}, None, None, "knn k 5 20 temperature 0.1"),
        ({}, "target.encoder", None, "knn of target.encoder"),
        ({"labels": 0.01}, "h", "pets/cats", "knn labels 0.01 of h on pets-cats"),
        ({"a": {"b": 1, "c": "d/e"}}, None, None, "knn a b 1 c d-e"),
    ],
)
def test_labels(otherwise: dict[str, Any], of: str | None, on: str | None, label: str) -> None:
    assert label_of("knn", otherwise, of, on) == label
    assert clean_name(f"{label}/top5") == f"{label}/top5"
    assert parse(f"{label}/top5") == ("knn", label.removeprefix("knn").strip(), "top5")
    assert parse(label) == ("knn", label.removeprefix("knn").strip(), "")


def test_long_labels_stay_apart() -> None:
    one, two = (label_of("linear", {"lr": [*([0.125] * 40), last]}) for last in (1.0, 2.0))
    assert one != two
    assert len(one) <= 120
    assert one.startswith("linear lr 0.125 0.125")
