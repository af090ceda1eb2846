"""k-means against classes: the agreement by its formulas in plain numpy, and what the evaluation clusters."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from graphssl.component import DataFacts
from graphssl.errors import RunError
from graphssl.evaluation import Context, Labelled, Splits
from graphssl.evaluation import clusters as room
from graphssl.evaluation.clusters import Clusters, agreement, cluster


def cloud(n: int, seed: int, classes: int = 4, d: int = 6, noise: float = 1.0) -> Labelled:
    centres = torch.randn(classes, d, generator=torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    return Labelled(3 * (centres[labels] + noise * torch.randn(n, d, generator=generator)), labels)


def entropy(counts: Any) -> float:
    shares = np.asarray(counts)[np.asarray(counts) > 0] / np.sum(counts)
    return float(-(shares * np.log(shares)).sum())


def by_formula(labels: Any, assigned: Any) -> tuple[float, float, float]:
    table = np.array([[np.sum((labels == c) & (assigned == k)) for k in range(5)] for c in range(5)])
    rows, columns = table.sum(1), table.sum(0)
    mutual = entropy(rows) + entropy(columns) - entropy(table.ravel())
    pairs = sum(math.comb(int(x), 2) for x in table.ravel())
    a, b = (sum(math.comb(int(x), 2) for x in side) for side in (rows, columns))
    expected = a * b / math.comb(len(labels), 2)
    best = max(sum(table[i, j] for i, j in enumerate(order)) for order in itertools.permutations(range(5)))
    return (
        mutual / ((entropy(rows) + entropy(columns)) / 2),
        (pairs - expected) / ((a + b) / 2 - expected),
        best / len(labels),
    )


@pytest.mark.parametrize(("classes", "k"), [(5, 5), (5, 3), (3, 5), (2, 2)])
def test_agreement_is_what_its_formulas_say(classes: int, k: int) -> None:
    rng = np.random.default_rng(classes + k)
    labels = rng.integers(0, classes, 200)
    assigned = np.where(rng.random(200) < 0.6, labels % k, rng.integers(0, k, 200))
    assert agreement(labels, assigned) == pytest.approx(by_formula(labels, assigned), abs=1e-12)


def test_the_names_of_clusters_do_not_matter() -> None:
    labels = np.arange(60) % 4
    assert agreement(labels, (labels + 2) % 4) == (1.0, 1.0, 1.0)
    one = np.zeros(60, dtype=int)
    assert agreement(labels, one) == pytest.approx((0.0, 0.0, 0.25))
    assert agreement(one, one) == (1.0, 1.0, 1.0)


def test_k_means_finds_a_partition_that_no_step_of_its_own_betters() -> None:
    data = cloud(300, 1)
    found = cluster(data.features, 4, seed=0)
    x = data.features.double().numpy()
    centres = np.stack([x[found == i].mean(0) for i in range(4)])
    assert (((x[:, None] - centres) ** 2).sum(2).argmin(1) == found).all()
    assert (cluster(data.features, 4, seed=0) == found).all()


def test_many_samples_come_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    data = cloud(400, 1, noise=0.1)
    whole = cluster(data.features, 4, seed=0)
    monkeypatch.setattr(room, "MANY", 300)
    found = cluster(data.features, 4, seed=0)
    assert (found == cluster(data.features, 4, seed=0)).all()
    assert agreement(whole, found) == (1.0, 1.0, 1.0), "clusters so far apart are found either way"


def evaluated(reference: Labelled, queries: Labelled, **options: object) -> Any:
    made = Context(torch.nn.Identity(), None, DataFacts(classes=4), None, 7, torch.device("cpu"))  # type: ignore[arg-type]
    made.__dict__.update(features=Splits(reference, queries, 4), held_out=queries)
    return Clusters(Clusters.Config.model_validate(options)).run(made)


def test_its_figures() -> None:
    reference, queries = cloud(80, 1), cloud(150, 2)
    figures = evaluated(reference, queries)
    unit = queries.features / queries.features.norm(dim=1, keepdim=True)
    wanted = agreement(queries.labels.numpy(), cluster(unit, 4, 0))
    names = ["clusters", "clusters/adjusted_rand", "clusters/accuracy"]
    assert figures.scores == pytest.approx(dict(zip(names, wanted, strict=True)), abs=1e-9)
    assert (figures.details["samples"], figures.details["k"], sum(figures.details["sizes"])) == (150, 4, 150)
    learnt = evaluated(reference, queries, part="training", normalize="none", k=6)
    assert (learnt.details["samples"], learnt.details["k"]) == (80, 6)
    wanted = agreement(reference.labels.numpy(), cluster(reference.features, 6, 0))
    assert learnt.scores == dict(zip(names, wanted, strict=True))


def test_samples_without_labels_do_not_count() -> None:
    reference, queries = cloud(80, 1), cloud(150, 2)
    more = Labelled(
        torch.cat([queries.features, torch.randn(30, 6)]), torch.cat([queries.labels, torch.full((30,), -1)])
    )
    assert evaluated(reference, more) == evaluated(reference, queries)
    with pytest.raises(RunError, match="k-means needs held-out samples with labels"):
        evaluated(reference, Labelled(queries.features, torch.full((150,), -1)))


def test_too_few_samples_are_told() -> None:
    with pytest.raises(RunError, match="clusters: 3 labelled held-out pictures cannot be parted into 4 clusters"):
        evaluated(cloud(80, 1), cloud(3, 2))


def test_features_that_are_all_equal_agree_with_nothing() -> None:
    flat = Labelled(torch.ones(40, 5), torch.arange(40) % 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = evaluated(flat, flat)
    assert figures.scores == pytest.approx({"clusters": 0, "clusters/adjusted_rand": 0, "clusters/accuracy": 0.25})
    assert figures.details["sizes"] == [40]
