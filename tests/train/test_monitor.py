"""Collapse monitors against float64 numpy, and at their boundaries."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from graphssl.train.monitor import effective_rank, measure, spread

Array = np.ndarray[Any, Any]


def views(b: int, d: int, noise: float = 0.5, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(b, d, generator=generator) * torch.linspace(0.1, 3, d) + 0.7
    return tuple(common + noise * torch.randn(b, d, generator=generator) for _ in range(2))  # type: ignore[return-value]


def by_hand(a: Array, b: Array) -> dict[str, float]:
    """Each monitor as its paper writes it, in float64."""

    def unit(x: Array) -> Array:
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def std(x: Array) -> float:
        return float(np.mean([np.std(x[:, j], ddof=1) for j in range(x.shape[1])]) * math.sqrt(x.shape[1]))

    def rank(x: Array) -> float:
        sigma = np.linalg.svd(x, compute_uv=False)
        p = sigma / sigma.sum()
        return float(np.exp(-sum(q * np.log(q) for q in p if q > 0)))

    def pairs(x: Array) -> list[tuple[Array, Array]]:
        return [(x[i], x[j]) for i in range(len(x)) for j in range(i)]

    ua, ub = unit(a), unit(b)
    return {
        "alignment": float(np.mean([((x - y) ** 2).sum() for x, y in zip(ua, ub, strict=True)])),
        "std": min(std(ua), std(ub)),
        "effective_rank": min(rank(a), rank(b)),
        "effective_rank_share": min(rank(a), rank(b)) / min(a.shape),
        "uniformity": float(np.mean([np.log(np.mean([np.exp(-2 * ((x - y) ** 2).sum()) for x, y in pairs(u)]))
                                     for u in (ua, ub)])),
        "cosine": float(np.mean([np.mean([x @ y for x, y in pairs(u)]) for u in (ua, ub)])),
    }  # fmt: skip


@pytest.mark.parametrize(("b", "d"), [(24, 8), (7, 30), (2, 5), (16, 1)])
def test_equals_numpy(b: int, d: int) -> None:
    first, second = views(b, d)
    expected = by_hand(first.double().numpy(), second.double().numpy())
    found = measure(first, second)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=2e-5, rel=2e-5), name


def test_float64_stays_float64() -> None:
    first, second = (v.double() for v in views(24, 8))
    expected = by_hand(first.numpy(), second.numpy())
    assert measure(first, second) == pytest.approx(expected, abs=1e-12, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_embeddings_are_measured_in_float32(dtype: torch.dtype) -> None:
    first, second = (v.to(dtype) for v in views(24, 8))
    expected = by_hand(first.double().numpy(), second.double().numpy())
    assert measure(first, second) == pytest.approx(expected, abs=1e-4, rel=1e-4)


def test_isotropic_embeddings_have_std_one_and_a_high_rank() -> None:
    a = torch.randn(4096, 32, generator=torch.Generator().manual_seed(0))
    found = measure(a, a)
    assert found["std"] == pytest.approx(1.0, abs=0.01)
    assert found["effective_rank"] == pytest.approx(32, abs=0.5)
    assert found["cosine"] == pytest.approx(0.0, abs=0.01)
    assert found["alignment"] == 0.0


def test_effective_rank_counts_equal_directions() -> None:
    """Roy & Vetterli 2007: m equal singular values have effective rank m, whatever their size."""
    for m in (1, 3, 8):
        x = torch.zeros(8, 8)
        x[range(m), range(m)] = 5.0
        assert effective_rank(x).item() == pytest.approx(m, rel=1e-5)


@pytest.mark.parametrize("value", [1.0, -3.0, 1e-6, 1e6])
def test_constant_embeddings_are_collapsed_without_nan(value: float) -> None:
    a = torch.full((16, 12), value)
    found = measure(a, a)
    assert all(math.isfinite(v) for v in found.values())
    assert found["std"] == pytest.approx(0.0, abs=1e-5)
    assert found["effective_rank"] == pytest.approx(1.0, abs=1e-3)
    assert found["uniformity"] == pytest.approx(0.0, abs=1e-5)
    assert found["cosine"] == pytest.approx(1.0, abs=1e-5)
    assert found["alignment"] == pytest.approx(0.0, abs=1e-6)


def test_zero_embeddings_give_numbers() -> None:
    found = measure(torch.zeros(6, 4), torch.zeros(6, 4))
    assert all(math.isfinite(v) for v in found.values())
    assert found["std"] == 0.0


def test_one_collapsed_view_is_enough() -> None:
    spread_out, _ = views(64, 16)
    for pair in ((spread_out, torch.ones(64, 16)), (torch.ones(64, 16), spread_out)):
        found = measure(*pair)
        assert found["std"] < 1e-4
        assert found["effective_rank"] == pytest.approx(1.0, abs=1e-3)


def test_a_batch_of_one_has_only_an_alignment() -> None:
    found = measure(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 0.5]]))
    assert found == {"alignment": pytest.approx(2.0)}


def test_embeddings_that_are_not_finite_do_not_throw() -> None:
    a, b = views(8, 4)
    a[2, 1] = torch.nan
    found = measure(a, b)
    assert math.isnan(found["effective_rank"])
    assert math.isnan(found["alignment"])


def test_measuring_leaves_gradient_and_embeddings_alone() -> None:
    a, b = views(8, 4)
    a.requires_grad_()
    before = a.detach().clone()
    measure(a, b)
    assert torch.equal(a, before)
    assert a.grad is None


def test_spread_does_not_depend_on_the_dimension() -> None:
    for d in (4, 64, 512):
        unit = torch.nn.functional.normalize(torch.randn(2000, d, generator=torch.Generator().manual_seed(d)), dim=1)
        assert spread(unit).item() == pytest.approx(1.0, abs=0.03)
