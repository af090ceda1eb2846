"""What is said of embeddings that look like collapse, and when."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from graphssl.train.collapse import CollapseWatch
from graphssl.train.monitor import measure


def reading(std: float, rank: float = 20.0, of: int = 64) -> dict[str, float]:
    return {"std": std, "effective_rank": rank, "effective_rank_share": rank / of, "alignment": 0.1}


def said(stds: list[float], watch: CollapseWatch | None = None) -> list[int]:
    """The readings at which something was said."""
    watch = watch or CollapseWatch()
    return [i for i, std in enumerate(stds) if watch.look("s", reading(std))]


@pytest.mark.parametrize(
    "stds",
    [
        [0.05, 0.2, 0.5, 0.8],  # a fresh encoder that learns
        [0.03, 0.06, 0.09, 0.3],  # slowly
        [0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.55],  # settles
        [0.9, 0.3, 0.5, 0.3, 0.5],  # noisy
        [0.9, 0.7, 0.8, 0.08, 0.5],  # one outlier
        [0.95] * 10,
    ],
)
def test_says_nothing_about_what_is_well(stds: list[float]) -> None:
    assert said(stds) == []


def test_a_low_std_is_told_when_it_is_confirmed_and_once() -> None:
    assert said([0.05, 0.05, 0.04, 0.03, 0.05]) == [1]
    assert said([0.9, 0.9, 0.09, 0.07, 0.07, 0.06]) == [3]


def test_almost_nothing_is_told_at_once() -> None:
    watch = CollapseWatch()
    (text,) = watch.look("s", reading(0.002, 1.0))
    assert "'s'" in text
    assert "0.002" in text
    assert "stop-gradient" in text
    assert watch.look("s", reading(0.001, 1.0)) == []


def test_a_fall_is_told_before_it_is_a_collapse() -> None:
    assert said([0.9, 0.7, 0.5, 0.4, 0.3, 0.2]) == [3]
    watch = CollapseWatch()
    texts = [t for std in (0.9, 0.7, 0.5, 0.4) for t in watch.look("s", reading(std))]
    assert "from 0.9 to 0.4" in texts[0]
    assert said([0.3, 0.05, 0.05], watch) == [2], "the collapse itself is still told"


def test_a_low_rank_is_told_although_the_std_is_fine() -> None:
    watch = CollapseWatch()
    assert watch.look("s", reading(0.9, 2.0)) == []
    (text,) = watch.look("s", reading(0.9, 1.8))
    assert "effective rank 1.8 of 64" in text
    assert watch.look("s", reading(0.9, 1.7)) == []


def test_few_dimensions_by_choice_are_no_collapse() -> None:
    watch = CollapseWatch()
    assert not [t for _ in range(5) for t in watch.look("s", reading(0.9, 1.9, of=2))]


def test_lines_are_watched_each_by_itself() -> None:
    watch = CollapseWatch()
    assert watch.look("a", reading(0.05)) == []
    assert watch.look("b", reading(0.05)) == []
    assert len(watch.look("a", reading(0.05))) == 1
    assert len(watch.look("b", reading(0.05))) == 1


@pytest.mark.parametrize("values", [{}, {"alignment": 0.2}, reading(math.nan, math.nan)])
def test_readings_without_numbers_say_nothing(values: dict[str, float]) -> None:
    watch = CollapseWatch()
    assert [watch.look("s", values) for _ in range(6)] == [[]] * 6


def test_measure_and_watch_fit_together() -> None:
    def embeddings(seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        common = torch.randn(32, 16, generator=generator) * torch.linspace(0.1, 3, 16) + 0.7
        first, second = (common + 0.5 * torch.randn(32, 16, generator=generator) for _ in range(2))
        return first, second

    watch = CollapseWatch()
    constant = torch.ones(32, 16) + 1e-4 * torch.randn(32, 16, generator=torch.Generator().manual_seed(0))
    assert len(watch.look("s", measure(constant, constant))) == 1
    healthy = CollapseWatch()
    assert not [t for seed in range(6) for t in healthy.look("s", measure(*embeddings(seed)))]
