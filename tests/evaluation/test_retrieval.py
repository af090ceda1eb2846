"""Retrieval against the definitions, one query at a time in float64, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from graphssl.component import DataFacts
from graphssl.errors import RunError
from graphssl.evaluation import Context, Labelled, Splits
from graphssl.evaluation.figures import interval_of_accuracy, interval_of_mean
from graphssl.evaluation.retrieval import Retrieval, rank


def cloud(n: int, seed: int, classes: int = 4, d: int = 6) -> Labelled:
    centres = torch.randn(classes, d, generator=torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    return Labelled(3 * (centres[labels] + torch.randn(n, d, generator=generator)), labels)


def grid(n: int, seed: int) -> Labelled:
    """Few directions, of lengths that are powers of two: many are equally near, to the bit."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.eye(4)[torch.randint(0, 4, (n,), generator=generator)]
    lengths = 2.0 ** torch.randint(-2, 3, (n, 1), generator=generator)
    return Labelled(features * lengths, torch.randint(0, 3, (n,), generator=generator))


def by_definition(query: Labelled, gallery: Labelled, i: int, itself: bool) -> tuple[float, float, float, int] | None:
    """Average precision, R-precision, mean average precision at R, and the place of the first that is right."""
    keys = gallery.features.double().numpy()
    keys = keys / np.linalg.norm(keys, axis=1, keepdims=True)
    q = query.features[i].double().numpy()
    near, right = keys @ (q / np.linalg.norm(q)), (gallery.labels == query.labels[i]).numpy()
    if itself:
        near, right = np.delete(near, i), np.delete(right, i)
    if not right.any():
        return None
    # Precision where an entry stands: of all that are as near as it, or nearer.
    average = np.mean([right[near >= near[j]].mean() for j in np.flatnonzero(right)])
    assert average == pytest.approx(average_precision_score(right, near), abs=1e-12)
    ordered, r = right[np.argsort(-near, kind="stable")], right.sum()
    at_r = sum(ordered[: j + 1].mean() for j in range(r) if ordered[j]) / r
    return float(average), float(ordered[:r].mean()), float(at_r), int(np.argmax(ordered))


@pytest.mark.parametrize("made", [cloud, grid])
@pytest.mark.parametrize("itself", [False, True])
@pytest.mark.parametrize("chunk", [None, 1, 7])
def test_it_is_what_its_definition_says(made: type, itself: bool, chunk: int | None) -> None:
    queries = made(40, 1)
    gallery = queries if itself else made(90, 2)
    ks = [1, 3, 10, 1000]
    found = rank(queries, gallery, ks, itself=itself, chunk=chunk)
    wanted = [w for i in range(40) if (w := by_definition(queries, gallery, i, itself)) is not None]
    assert len(wanted) == 40
    average, precision, at_r, first = (
        torch.tensor(column, dtype=torch.float64) for column in zip(*wanted, strict=True)
    )
    torch.testing.assert_close(found.average_precision, average, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.r_precision, precision, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.map_at_r, at_r, rtol=1e-12, atol=1e-12)
    assert torch.equal(found.hits, first[:, None] < torch.tensor(ks))


def test_features_that_are_all_equal_find_no_more_than_chance() -> None:
    """Whatever the gallery's order: here one class after the other, as folders are."""
    labels = torch.arange(60) // 20
    flat = Labelled(torch.ones(60, 5), labels)
    assert rank(flat, flat).average_precision.tolist() == pytest.approx([1 / 3] * 60)
    assert rank(flat, flat, itself=True).average_precision.tolist() == pytest.approx([19 / 59] * 60)


def test_one_class() -> None:
    alone = Labelled(torch.randn(9, 3), torch.zeros(9, dtype=torch.int64))
    found = rank(alone, alone, [1], itself=True)
    assert all(bool((part == 1).all()) for part in found)


def context(reference: Labelled, queries: Labelled) -> Context:
    made = Context(torch.nn.Identity(), None, DataFacts(classes=4), None, 7, torch.device("cpu"))  # type: ignore[arg-type]
    made.__dict__.update(features=Splits(reference, queries, 4), held_out=queries)
    return made


def evaluated(reference: Labelled, queries: Labelled, **options: object) -> dict[str, float]:
    return dict(Retrieval(Retrieval.Config.model_validate(options)).run(context(reference, queries)).scores)


def test_its_figures() -> None:
    reference, queries = cloud(80, 1), cloud(50, 2)
    figures = Retrieval(Retrieval.Config()).run(context(reference, queries))
    found = rank(queries, reference, [1, 5, 10])
    assert figures.scores == {
        "retrieval": found.average_precision.mean().item(),
        "retrieval/r_precision": found.r_precision.mean().item(),
        "retrieval/map_at_r": found.map_at_r.mean().item(),
        **{f"retrieval/recall_{k}": found.hits[:, i].double().mean().item() for i, k in enumerate((1, 5, 10))},
    }
    assert set(figures.intervals) == set(figures.scores)
    for metric, (low, high) in figures.intervals.items():
        assert low <= figures.scores[metric] <= high, metric
    assert figures.details == {"queries": 50, "gallery": 80, "without_any_of_their_class": 0}
    among = evaluated(reference, queries, gallery="held_out", k=[2])
    assert among["retrieval"] == rank(queries, queries, itself=True).average_precision.mean().item()
    assert "retrieval/recall_2" in among


def test_samples_without_labels_do_not_count() -> None:
    reference, queries = cloud(80, 1), cloud(50, 2)
    none = torch.full((30,), -1)
    more = [
        Labelled(torch.cat([s.features, 9 * torch.randn(30, 6)]), torch.cat([s.labels, none]))
        for s in (reference, queries)
    ]
    assert evaluated(*more) == evaluated(reference, queries)
    with pytest.raises(RunError, match="retrieval needs held-out samples with labels"):
        evaluated(reference, Labelled(queries.features, torch.full((50,), -1)))


def test_a_query_whose_class_is_nowhere_else_is_left_out() -> None:
    reference, queries = cloud(80, 1), cloud(50, 2)
    odd = Labelled(torch.cat([queries.features, torch.ones(1, 6)]), torch.cat([queries.labels, torch.tensor([7])]))
    figures = Retrieval(Retrieval.Config()).run(context(reference, odd))
    assert figures.scores == evaluated(reference, queries)
    assert figures.details["without_any_of_their_class"] == 1
    different = Labelled(torch.randn(3, 6), torch.arange(3))
    with pytest.raises(RunError, match="no held-out picture has another one of its class in the gallery"):
        evaluated(reference, different, gallery="held_out")


def test_the_interval_of_a_mean_is_that_of_a_share_where_values_are_right_or_wrong() -> None:
    values = (np.arange(400) < 300).astype(float)
    low, high = interval_of_mean(values)
    assert (low, high) == interval_of_mean(values)
    assert np.allclose((low, high), interval_of_accuracy(300, 400), atol=0.004)
    spread = np.random.default_rng(0).normal(size=1000)
    low, high = interval_of_mean(spread)
    assert np.allclose((high - low) / 2, 1.96 * spread.std() / np.sqrt(1000), rtol=0.05)
    assert interval_of_mean(np.array([0.5])) == (0.5, 0.5)
