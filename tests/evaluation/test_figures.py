"""What stands beside accuracies: intervals against a plain bootstrap, classes and confusions against counting."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphssl.evaluation.figures import Figures, classified, interval_of_accuracy


@pytest.mark.parametrize(("right", "samples"), [(87, 100), (270, 297), (3, 10), (9_000, 10_000)])
def test_the_interval_is_the_percentile_bootstraps(right: int, samples: int) -> None:
    """Resampled one by one, as Efron & Tibshirani 1993 write it."""
    hits = np.arange(samples) < right
    draws = np.random.default_rng(7)
    means = [hits[draws.integers(0, samples, samples)].mean() for _ in range(4000)]
    low, high = np.quantile(means, [0.025, 0.975])
    ours = interval_of_accuracy(right, samples)
    allowed = 1.01 / samples + 0.1 * (high - low)
    assert abs(ours[0] - low) <= allowed
    assert abs(ours[1] - high) <= allowed
    assert ours == interval_of_accuracy(right, samples)


@pytest.mark.parametrize("right", [0, 50])
def test_the_interval_of_all_or_nothing_has_no_width(right: int) -> None:
    assert interval_of_accuracy(right, 50) == (right / 50, right / 50)


def test_figures_of_a_classifier() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 6, (200,), generator=generator)  # the last of seven classes has no sample
    ranked = torch.stack([torch.randperm(7, generator=generator)[:5] for _ in labels])
    found = classified("knn", ranked, labels, 7, "abcdefg")
    truth, guess = labels.tolist(), ranked.tolist()
    pairs = list(zip(truth, guess, strict=True))
    assert found.scores["knn"] == pytest.approx(sum(g[0] == t for t, g in pairs) / 200, abs=1e-12)
    assert found.scores["knn/top5"] == pytest.approx(sum(t in g for t, g in pairs) / 200, abs=1e-12)
    assert found.details["confusion"] == [
        [sum((t, g[0]) == (row, column) for t, g in pairs) for column in range(7)] for row in range(7)
    ]
    each = [sum(g[0] == t == c for t, g in pairs) / truth.count(c) for c in range(6)]
    assert [accuracy for *_, accuracy in found.details["per_class"]] == [*map(pytest.approx, each), None]
    assert [(name, n) for name, n, _ in found.details["per_class"]] == [*zip("abcdef", map(truth.count, range(6)), strict=True), ("g", 0)]  # fmt: skip
    assert found.details["mean_per_class"] == pytest.approx(sum(each) / 6)
    assert found.details["samples"] == 200
    assert set(found.intervals) == {"knn", "knn/top5"}


@pytest.mark.parametrize(("classes", "metrics"), [(5, {"linear"}), (6, {"linear", "linear/top5"})])
def test_top5_of_five_classes_says_nothing(classes: int, metrics: set[str]) -> None:
    ranked = torch.arange(5).expand(4, 5)
    assert set(classified("linear", ranked, torch.tensor([0, 1, 4, 0]), classes).scores) == metrics


def test_merged_figures_keep_all_numbers_and_the_first_details() -> None:
    one, two = Figures({"a": 1.0}, {"a": (0.0, 1.0)}, {"n": 1}), Figures({"b": 2.0}, {}, {"n": 2})
    assert Figures.merged([one, two]) == Figures({"a": 1.0, "b": 2.0}, {"a": (0.0, 1.0)}, {"n": 1})
    assert Figures.merged([]) == Figures({})
