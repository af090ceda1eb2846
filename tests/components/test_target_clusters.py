"""Clusters of a bank against k-means and PCL's concentration written plainly, entry by entry, in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from graphssl.component import DataFacts, Sizes, build
from graphssl.components.negatives import MemoryBank, Queue
from graphssl.components.objective import CrossEntropy
from graphssl.components.target import Clusters, k_means
from graphssl.components.target.clusters import _concentrations
from graphssl.testing import check_component

N, D, P = 40, 5, 6
SIZES = Sizes({"d": D}, DataFacts(samples=N))


def bank(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return build(MemoryBank, sizes=SIZES, momentum=0.0).double()


def node(of: Any, **config: Any) -> Any:
    torch.manual_seed(1)
    return build(Clusters, sizes=SIZES, sources={"of": of}, of="bank", **{"count": P, **config}).double()


def drawn(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain(keys: Tensor, first: list[int], iterations: int) -> tuple[list[Tensor], list[int]]:
    """The authors' loop: assign, average, normalise; and assign once more."""
    centroids = [keys[i] for i in first]
    for turn in range(iterations + 1):
        nearest = [max(range(len(centroids)), key=lambda c: float(key @ centroids[c])) for key in keys]
        if turn == iterations:
            return centroids, nearest
        for c in range(len(centroids)):
            mine = [key for key, cluster in zip(keys, nearest, strict=True) if cluster == c]
            if mine:
                mean = torch.stack(mine).mean(0)
                centroids[c] = mean / mean.norm()
    raise AssertionError


@pytest.mark.parametrize("iterations", [1, 4])
@pytest.mark.parametrize("piece", [None, 100], ids=["at once", "in pieces"])
def test_k_means(iterations: int, piece: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if piece is not None:
        monkeypatch.setattr(k_means, "PIECE", piece)
    of = bank()
    found = node(of, iterations=iterations)
    found.fit()
    unit = of.keys / of.keys.norm(dim=1, keepdim=True)  # the bank holds float32
    centroids, nearest = plain(unit, found.first.tolist(), iterations)
    assert found.cluster.tolist() == nearest
    torch.testing.assert_close(found.centroids, torch.stack(centroids), rtol=1e-12, atol=1e-12)


def test_scores_are_cosines_and_the_code_is_the_samples_own_cluster() -> None:
    """DeepCluster-v2's loss of an embedding: the cross-entropy of its sample's cluster among all centroids."""
    found, z, index = node(bank()), drawn(4, D).requires_grad_(), torch.tensor([7, 0, 39, 7])
    found.fit()
    out = found(z, index)
    ours = build(CrossEntropy, temperature=0.1)(out.scores, out.code)
    total = torch.zeros((), dtype=torch.float64)
    for vector, sample in zip(z, index.tolist(), strict=True):
        logits = torch.stack([vector @ c / vector.norm() / 0.1 for c in found.centroids])
        total = total + (logits.exp().sum().log() - logits[found.cluster[sample]]) / 4
    torch.testing.assert_close(ours, total, rtol=1e-11, atol=1e-12)
    (one,), (other,) = (torch.autograd.grad(loss, [z]) for loss in (ours, total))
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    assert not out.code.requires_grad


def test_before_the_first_fit_nothing_costs_anything() -> None:
    z = drawn(4, D).requires_grad_()
    out = node(bank())(z, torch.arange(4))
    loss = build(CrossEntropy)(out.scores, out.code)
    loss.backward()
    assert loss == 0
    assert z.grad is not None
    assert not z.grad.any()


def test_a_centroid_without_entries_stays() -> None:
    of = bank()
    of.keys.copy_(torch.nn.functional.normalize(torch.ones(N, D, dtype=torch.float64), dim=1))
    found = node(of)
    found.fit()
    assert found.cluster.unique().numel() == 1, "all entries are one: the first of equal centroids has them"
    torch.testing.assert_close(found.centroids, of.keys[:P], rtol=0, atol=1e-7)


def test_the_concentration_of_pcl() -> None:
    """Equation 12 and the authors' code: mean distance over log(n + 10), cut off, scaled to a mean."""
    of = bank()
    found = node(of, count=12, concentration=0.2)
    found.fit()
    phi = []
    for c, centroid in enumerate(found.centroids):
        mine = [float((of.keys[i] / of.keys[i].norm() - centroid).norm()) for i in range(N) if found.cluster[i] == c]
        phi.append(sum(mine) / len(mine) / math.log(len(mine) + 10) if len(mine) > 1 else None)
    known = torch.tensor([max(p for p in phi if p is not None) if p is None else p for p in phi], dtype=torch.float64)
    assert None in phi, "a cluster of one is among them"
    known = known.clamp(known.quantile(0.1), known.quantile(0.9))
    torch.testing.assert_close(found.phi, 0.2 * known / known.mean(), rtol=1e-10, atol=1e-12)
    z = drawn(3, D)
    cosines = node(of, count=12)(z, torch.arange(3)).scores
    found.centroids.copy_(node(of, count=12).centroids)
    torch.testing.assert_close(found(z, torch.arange(3)).scores, cosines / found.phi)


@pytest.mark.parametrize(
    ("distances", "counts"),
    [([0.0, 0.0, 0.0], [1, 1, 0]), ([0.0, 0.0, 0.0], [4, 5, 6])],
    ids=["one entry each at most", "entries that are all the same"],
)
def test_clusters_that_cannot_be_told_apart_are_as_dense_as_each_other(
    distances: list[float], counts: list[int]
) -> None:
    found = _concentrations(torch.tensor(distances), torch.tensor(counts), 0.2)
    assert found.tolist() == pytest.approx([0.2] * 3)


def test_a_cluster_of_equal_entries_divides_by_more_than_nothing() -> None:
    found = _concentrations(torch.tensor([0.0] * 5 + [9.0] * 15), torch.tensor([3] * 20), 0.2)
    assert found.min() > 0
    assert found[5:].tolist() == pytest.approx([0.2 * 20 / 15] * 15)


def test_it_is_over_a_bank_and_has_samples_to_start_from() -> None:
    with pytest.raises(ValueError, match="'bank' holds no entry for each sample"):
        node(build(Queue, sizes=SIZES))
    with pytest.raises(ValueError, match="count is 41, and there are 40 samples to start from"):
        node(bank(), count=41)


def test_it_keeps_the_contract_with_a_concentration() -> None:
    sizes = Sizes({"d": 8}, DataFacts(samples=32))
    of = build(MemoryBank, sizes=sizes)
    check_component(Clusters, {"of": "bank", "count": 5, "concentration": 0.2}, sources={"of": of})
