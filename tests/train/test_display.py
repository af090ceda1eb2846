"""What the live line and the plain lines say: which fields fit beside the bar, and how numbers read."""

from __future__ import annotations

import math

import pytest

from graphssl.train.display import NARROWEST_BAR, fields_of, fit, pairs
from graphssl.train.progress_state import State


@pytest.mark.parametrize("width", range(0, 120, 7))
def test_as_many_fields_as_fit_beside_the_bar(width: int) -> None:
    fields = ["epoch 1/3", "step 7/30", "loss 1.2345", "0:01:02 left"]
    text, rest = fit(fields, width)
    shown = text.split("  ")
    assert shown == fields[: len(shown)], "the most important first"
    assert rest == width - len(text) - 1
    if len(shown) > 1:
        assert rest >= NARROWEST_BAR
    if len(shown) < len(fields):
        assert rest - 2 - len(fields[len(shown)]) < NARROWEST_BAR, "no more would have fitted"


def test_what_is_not_known_is_not_among_the_fields() -> None:
    some = State(3, 10, 7, 30)
    assert fields_of(some) == ["epoch 1/3", "step 7/30"]
    some.loss, some.rate, some.speed = 1.5, 3e-4, 12345.6
    some.values = {"knn": 0.912345}
    assert fields_of(some) == [
        "epoch 1/3", "step 7/30", "loss 1.5000", "knn 0.9123", "12,346 images/s", "lr 0.0003",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "-"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (0.0, "0"),
        (1e-9, "1e-09"),
        (123456.0, "1.2346e+05"),
        (0.5, "0.5"),
        (2, "2"),
    ],
)
def test_numbers_of_plain_lines(value: float, text: str) -> None:
    assert pairs({"x": value}) == [f"x={text}"]
