"""The spread of a figure over seeds, against Student's own table."""

from __future__ import annotations

import math

import pytest

from graphssl.evaluation.spread import Spread

STUDENT = {2: 12.706, 3: 4.303, 5: 2.776, 10: 2.262}  # t for 95 %, by how many values there are


@pytest.mark.parametrize("n", STUDENT)
def test_the_interval_is_students(n: int) -> None:
    values = [0.5 + 0.01 * (-1) ** i * i for i in range(n)]
    mean = sum(values) / n
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    found = Spread.of(values)
    assert found.mean == pytest.approx(mean, abs=1e-12)
    assert found.deviation == pytest.approx(deviation, abs=1e-12)
    half = STUDENT[n] * deviation / math.sqrt(n)
    assert found.interval == pytest.approx((mean - half, mean + half), rel=1e-3)


def test_one_value_says_nothing_of_its_spread() -> None:
    assert Spread.of([0.3]) == Spread(0.3, None, None)


def test_no_interval_goes_beyond_what_the_values_may_be() -> None:
    assert Spread.of([0.9, 0.98], (0.0, 1.0)).interval == (pytest.approx(0.94 - 12.706 * 0.04, rel=1e-3), 1.0)
    assert Spread.of([0.5, 0.5], (0.0, 1.0)) == Spread(0.5, 0.0, (0.5, 0.5))
