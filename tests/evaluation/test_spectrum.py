"""Numbers without labels against the formulas of their papers, in float64 by plain loops and decompositions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from graphssl.evaluation import spectrum
from graphssl.evaluation.spectrum import (
    alignment,
    fit_power_law,
    lidar,
    participation_ratio,
    rankme,
    singular_values,
    uniformity,
)


def features(n: int, d: int, seed: int = 0) -> Tensor:
    """With a mean, and directions of which each has less than the one before."""
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + torch.randn(n, d, generator=generator) / torch.arange(1, d + 1)


def views(n: int, q: int, d: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return features(n, d, seed)[:, None] + 0.2 * torch.randn(n, q, d, generator=generator)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("n", "d"), [(90, 12), (12, 30), (20, 20)])
def test_singular_values_are_those_of_the_matrix(
    n: int, d: int, centred: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = features(n, d).double()
    wanted = torch.linalg.svdvals(x - x.mean(0) if centred else x)
    found = singular_values(features(n, d), centred)
    assert len(found) == min(n, d)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-6 * float(wanted[0]))
    monkeypatch.setattr(spectrum, "PIECE", 3 * d)
    torch.testing.assert_close(singular_values(features(n, d), centred), found, rtol=1e-12, atol=1e-6)


@pytest.mark.parametrize(("n", "d"), [(90, 12), (12, 30)])
def test_rankme_is_equation_1(n: int, d: int) -> None:
    s = np.linalg.svd(features(n, d).double().numpy(), compute_uv=False)
    p = [v / sum(abs(s)) + 1e-7 for v in s]
    assert rankme(singular_values(features(n, d))) == pytest.approx(
        math.exp(-sum(v * math.log(v) for v in p)), rel=1e-9
    )


def test_rankme_of_what_is_known() -> None:
    assert rankme(singular_values(torch.eye(16))) == pytest.approx(16, rel=1e-4)
    assert rankme(singular_values(torch.ones(50, 8))) == pytest.approx(1, abs=1e-3), "collapsed to a point"
    assert rankme(singular_values(torch.zeros(50, 8))) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("n", "q", "d"), [(40, 5, 6), (10, 2, 20)])
def test_lidar_is_its_equations(n: int, q: int, d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the inverse square root of the covariance within pictures, a sample at a time."""
    x = views(n, q, d).double().numpy()
    delta = 1e-2
    mean, of_all = x.mean(1), x.mean((0, 1))
    between = sum(np.outer(m - of_all, m - of_all) for m in mean) / (n - 1)
    within = sum(np.outer(x[i, j] - mean[i], x[i, j] - mean[i]) for i in range(n) for j in range(q)) / (n * (q - 1))
    values, vectors = np.linalg.eigh(within + delta * np.eye(d))
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    eigenvalues = np.linalg.eigvalsh(root @ between @ root).clip(0)
    p = eigenvalues / eigenvalues.sum() + 1e-7
    wanted = math.exp(-sum(p * np.log(p)))
    assert lidar(views(n, q, d), delta) == pytest.approx(wanted, rel=1e-9)
    monkeypatch.setattr(spectrum, "PIECE", 3 * q * d)
    assert lidar(views(n, q, d), delta) == pytest.approx(wanted, rel=1e-9)


def test_lidar_counts_only_what_tells_pictures_apart() -> None:
    """Where RankMe sees noise as directions."""
    n, q, d = 400, 6, 10
    generator = torch.Generator().manual_seed(0)
    own = torch.zeros(n, 1, d)
    own[..., :2] = 3 * torch.randn(n, 1, 2, generator=generator)
    noise = torch.randn(n, q, d, generator=generator)
    seen = own + noise
    assert lidar(seen) < 4.5
    assert rankme(singular_values(seen[:, 0])) > 7
    assert lidar(torch.ones(20, 3, 5)) == pytest.approx(1, abs=1e-3), "collapsed to a point"


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.3])
def test_a_power_law_is_found(alpha: float) -> None:
    law = fit_power_law(7 * torch.arange(1, 201, dtype=torch.float64) ** -alpha, 11, 50)
    assert law is not None
    assert (law.alpha, law.fit) == (pytest.approx(alpha), pytest.approx(1))
    assert (law.first, law.last) == (11, 50)


def test_the_power_law_is_a_weighted_line() -> None:
    """By the normal equations with weights 1 / rank, as the authors solve them."""
    values = singular_values(features(300, 80), centred=True).square()
    rank = np.arange(11, 51)
    x = np.stack([-np.log(rank), np.ones(40)], 1)
    y, w = np.log(values.numpy()[10:50]), (1 / rank)[:, None]
    slope, _ = np.linalg.solve(x.T @ (x * w), (x * w).T @ y)
    law = fit_power_law(values, 11, 50)
    assert law is not None
    assert law.alpha == pytest.approx(slope, rel=1e-9)
    assert 0.9 < law.fit < 1


def test_the_power_law_needs_directions() -> None:
    values = torch.zeros(60, dtype=torch.float64)
    values[:12] = 1.0 / torch.arange(1, 13)
    assert fit_power_law(values, 11, 50) is None
    law = fit_power_law(values, 3, 50)
    assert law is not None
    assert law.last == 12, "what is zero is no part of it"
    assert law.alpha == pytest.approx(1)
    assert fit_power_law(torch.zeros(60, dtype=torch.float64), 1, 50) is None


def test_participation_ratio() -> None:
    x = features(90, 12).double().numpy()
    values = np.linalg.eigvalsh(np.cov(x.T))
    found = participation_ratio(singular_values(features(90, 12), centred=True).square())
    assert found == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-9)
    assert participation_ratio(torch.ones(5, dtype=torch.float64)) == 5
    assert participation_ratio(torch.zeros(5, dtype=torch.float64)) == 1


@pytest.mark.parametrize(("n", "q", "d"), [(7, 3, 5), (5, 2, 4)])
def test_alignment_is_the_mean_over_pairs(n: int, q: int, d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = views(n, q, d).double().numpy()
    x = x / np.linalg.norm(x, axis=2, keepdims=True)
    pairs = [((x[i, a] - x[i, b]) ** 2).sum() for i in range(n) for a in range(q) for b in range(a)]
    assert alignment(views(n, q, d)) == pytest.approx(np.mean(pairs), rel=1e-9)
    monkeypatch.setattr(spectrum, "PIECE", 2 * q * d)
    assert alignment(views(n, q, d)) == pytest.approx(np.mean(pairs), rel=1e-9)
    assert alignment(torch.ones(4, 3, 5)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("t", [2.0, 0.5])
def test_uniformity_is_the_log_of_the_mean_over_pairs(t: float, monkeypatch: pytest.MonkeyPatch) -> None:
    x = features(31, 6).double().numpy()
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    pairs = [math.exp(-t * ((x[i] - x[j]) ** 2).sum()) for i in range(31) for j in range(i)]
    assert uniformity(features(31, 6), t) == pytest.approx(math.log(np.mean(pairs)), abs=1e-6)
    monkeypatch.setattr(spectrum, "PIECE", 70)
    assert uniformity(features(31, 6), t) == pytest.approx(math.log(np.mean(pairs)), abs=1e-6)


def test_uniformity_of_what_is_known() -> None:
    assert uniformity(torch.ones(40, 8)) == pytest.approx(0, abs=1e-6)
    spread = torch.randn(600, 512, generator=torch.Generator().manual_seed(0))
    assert uniformity(spread) == pytest.approx(-4, abs=0.05)
    assert uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8)
