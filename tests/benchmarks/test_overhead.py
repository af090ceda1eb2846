"""What the framework and the online probe cost: `overhead` and `probe` run at a tiny size and give their numbers."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from benchmark_scripts import METHODS, TINY, cells, number


@pytest.mark.slow
def test_overhead_compares_with_the_step_by_hand(run: Callable[..., str]) -> None:
    text = run("overhead", *TINY)
    for method in METHODS:
        ours, hand, ratio, _ = cells(text, f"{method}  ")
        assert min(number(ours), number(hand), number(ratio)) > 0


def test_the_probe_costs_so_much(run: Callable[..., str]) -> None:
    text = run("probe", "--method", "byol", *TINY)
    assert re.fullmatch(r"[+-]\d+\.\d\d %", cells(text, "byol  ")[0])
