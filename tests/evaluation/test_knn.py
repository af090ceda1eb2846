"""Weighted kNN against a plain float64 loop, and where it could go wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from graphssl.errors import RunError
from graphssl.evaluation.knn import Knn, knn_accuracy, ranked_knn, weighted_knn
from graphssl.evaluation.labelled import Labelled, Splits


def by_hand(
    queries: Tensor, keys: Tensor, labels: Tensor, k: int, temperature: float, classes: int
) -> tuple[list[int], np.ndarray[Any, Any]]:
    """Wu et al. 2018, section 3.4, one query and one neighbour at a time."""
    votes = np.zeros((len(queries), classes))
    reference = [
        (key / np.linalg.norm(key), int(label))
        for key, label in zip(keys.double().numpy(), labels, strict=True)
        if label >= 0
    ]
    for i, query in enumerate(queries.double().numpy()):
        unit = query / np.linalg.norm(query)
        scored = [(float(unit @ key), label) for key, label in reference]
        scored.sort(key=lambda pair: -pair[0])
        for cosine, label in scored[:k]:
            votes[i, label] += np.exp(cosine / temperature)
    return votes.argmax(axis=1).tolist(), votes


def cloud(n: int, classes: int, seed: int, d: int = 12, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    """Points around one centre a class, of different lengths."""
    centres = torch.randn(classes, d, generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, classes, (n,), generator=generator)
    point = centres[label] + noise * torch.randn(n, d, generator=generator)
    return point * (0.1 + 5 * torch.rand(n, 1, generator=generator)), label


@pytest.mark.parametrize("k", [1, 2, 7, 60, 200])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_equals_a_plain_loop(k: int, temperature: float) -> None:
    keys, labels = cloud(200, 5, 0)
    queries, _ = cloud(83, 5, 1)
    expected, votes = by_hand(queries, keys, labels, k, temperature, 5)
    second, best = np.sort(votes, axis=1)[:, -2:].T
    assert (best > second * (1 + 1e-4)).all(), "the test's own votes are too close to be told apart in float32"
    assert len(set(expected)) > 1
    assert weighted_knn(queries, Labelled(keys, labels), k, temperature, 5).tolist() == expected


@pytest.mark.parametrize("chunk", [1, 10, 82, 83, 1000, None])
def test_chunks_do_not_matter(chunk: int | None) -> None:
    keys, labels = cloud(200, 5, 0)
    queries, _ = cloud(83, 5, 1)
    expected, _ = by_hand(queries, keys, labels, 20, 0.07, 5)
    assert weighted_knn(queries, Labelled(keys, labels), 20, 0.07, 5, chunk).tolist() == expected


def test_k_above_the_number_of_keys_takes_all_of_them() -> None:
    keys, labels = cloud(30, 3, 0)
    queries, _ = cloud(20, 3, 1)
    expected, _ = by_hand(queries, keys, labels, 30, 0.07, 3)
    assert weighted_knn(queries, Labelled(keys, labels), 5000, 0.07, 3).tolist() == expected


def test_keys_without_label_have_no_vote() -> None:
    keys, labels = cloud(60, 3, 0, noise=3.0)
    queries, _ = cloud(20, 3, 1, noise=3.0)
    some = torch.where(torch.arange(60) % 3 == 0, -1, labels)
    expected, _ = by_hand(queries, keys, some, 9, 0.07, 3)
    assert weighted_knn(queries, Labelled(keys, some).known("kNN"), 9, 0.07, 3).tolist() == expected
    assert expected != by_hand(queries, keys, labels, 9, 0.07, 3)[0]


def test_the_nearer_of_two_outvotes_it_only_by_the_temperature() -> None:
    """One near key of class 0 against two farther ones of class 1: exp(c/T) decides."""
    query = torch.tensor([[1.0, 0.0]])
    keys = torch.tensor([[1.0, 0.0], [0.9, (1 - 0.81) ** 0.5], [0.9, -((1 - 0.81) ** 0.5)]])
    labels = torch.tensor([0, 1, 1])
    # exp(0.1 / T) against 2: the border is at T = 0.1 / ln 2 = 0.144.
    assert weighted_knn(query, Labelled(keys, labels), 3, 0.14, 2).tolist() == [0]
    assert weighted_knn(query, Labelled(keys, labels), 3, 0.15, 2).tolist() == [1]


def test_a_tiny_temperature_is_the_nearest_neighbour() -> None:
    keys, labels = cloud(50, 4, 0)
    queries, _ = cloud(20, 4, 1)
    expected, _ = by_hand(queries, keys, labels, 1, 1.0, 4)
    assert weighted_knn(queries, Labelled(keys, labels), 50, 1e-6, 4).tolist() == expected


def test_equally_near_keys_vote_in_their_order() -> None:
    """Eight copies of one key, of which five may vote: the first five, of class 2 by three to two."""
    keys = torch.ones(8, 4)
    labels = torch.tensor([1, 2, 2, 1, 2, 1, 1, 1])
    assert weighted_knn(torch.ones(3, 4), Labelled(keys, labels), 5, 0.07, 3).tolist() == [2, 2, 2]
    assert weighted_knn(torch.ones(3, 4), Labelled(keys, labels), 8, 0.07, 3).tolist() == [1, 1, 1]


def test_ties_are_the_same_when_only_some_queries_have_them() -> None:
    keys = torch.cat([torch.eye(4)[[0] * 6], torch.eye(4)])
    labels = torch.tensor([1, 1, 1, 0, 0, 0, 0, 1, 2, 3])
    queries = torch.tensor([[1.0, 0, 0, 0], [0.1, 0.0, 1.0, 0.2], [0.0, 0.0, 0.3, 1.0]])
    assert weighted_knn(queries, Labelled(keys, labels), 3, 0.07, 4).tolist() == [1, 2, 3]


def test_equal_votes_give_the_lowest_class() -> None:
    keys = torch.tensor([[1.0, 0.5], [1.0, -0.5]])
    query = torch.tensor([[1.0, 0.0]])
    assert weighted_knn(query, Labelled(keys, torch.tensor([2, 1])), 2, 0.07, 3).tolist() == [1]
    assert weighted_knn(query, Labelled(keys, torch.tensor([1, 2])), 2, 0.07, 3).tolist() == [1]


def test_collapsed_features_give_chance_and_no_nan() -> None:
    labels = torch.arange(100) % 10
    ones, zeros = Labelled(torch.ones(100, 8), labels), Labelled(torch.zeros(100, 8), labels)
    assert knn_accuracy(Splits(ones, ones, 10), 200, 0.07) == pytest.approx(0.1)
    assert knn_accuracy(Splits(zeros, zeros, 10), 20, 0.07) == pytest.approx(0.1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_features_of_any_float_type(dtype: torch.dtype) -> None:
    keys, labels = cloud(100, 3, 0, noise=0.2)
    queries, truth = cloud(40, 3, 1, noise=0.2)
    assert knn_accuracy(Splits(Labelled(keys.to(dtype), labels), Labelled(queries.to(dtype), truth)), 20) == 1.0


def test_accuracy_counts_labelled_queries_only() -> None:
    keys, labels = cloud(100, 3, 0, noise=4.0)
    queries, truth = cloud(40, 3, 1, noise=4.0)
    predicted = weighted_knn(queries, Labelled(keys, labels), 10, 0.07, 3)
    half = torch.where(torch.arange(40) < 20, truth, -1)
    expected = sum(p == t for p, t in zip(predicted.tolist()[:20], truth.tolist()[:20], strict=True)) / 20
    assert knn_accuracy(Splits(Labelled(keys, labels), Labelled(queries, half), 3), 10, 0.07) == pytest.approx(expected)
    assert 0 < expected < 1


def test_no_queries_give_no_predictions() -> None:
    keys, labels = cloud(10, 2, 0)
    assert weighted_knn(keys[:0], Labelled(keys, labels), 3).shape == (0,)


def test_without_labels_it_says_so() -> None:
    keys, labels = cloud(10, 2, 0)
    known, unknown = Labelled(keys, labels), Labelled(keys, torch.full_like(labels, -1))
    with pytest.raises(RunError, match=r"^kNN needs reference samples with labels, and this data set has none$"):
        knn_accuracy(Splits(unknown, known), 3)
    with pytest.raises(RunError, match=r"^kNN needs held-out samples with labels, and this data set has none$"):
        knn_accuracy(Splits(known, unknown), 3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(bad: float) -> None:
    keys, labels = cloud(10, 2, 0)
    good, spoilt = (Labelled(x, labels) for x in (keys, torch.where(torch.arange(10)[:, None] == 4, bad, keys)))
    with pytest.raises(RunError, match="diverged"):
        knn_accuracy(Splits(spoilt, good), 3)
    with pytest.raises(RunError, match="diverged"):
        knn_accuracy(Splits(good, spoilt), 3)


def test_it_is_due_every_so_many_epochs_and_at_the_ends() -> None:
    knn = Knn(Knn.Config(every=3))
    assert [epoch for epoch in range(8) if knn.due(epoch, ends=epoch in (0, 7))] == [0, 3, 6, 7]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_equals_the_cpu_on_a_gpu() -> None:
    keys, labels = cloud(500, 5, 0)
    queries, _ = cloud(200, 5, 1)
    expected = weighted_knn(queries, Labelled(keys, labels), 20, 0.07, 5)
    found = weighted_knn(queries.cuda(), Labelled(keys.cuda(), labels.cuda()), 20, 0.07, 5)
    assert torch.equal(found.cpu(), expected)
    equal = Labelled(torch.ones(8, 4).cuda(), torch.tensor([1, 2, 2, 1, 2, 1, 1, 1]).cuda())
    assert weighted_knn(torch.ones(3, 4).cuda(), equal, 5, 0.07, 3).tolist() == [2, 2, 2]


def test_a_list_of_k_and_temperatures_is_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, labels = cloud(200, 9, 0)
    keys[100:] = keys[:100]  # every similarity twice, so that ties lie across the borders
    queries, _ = cloud(83, 9, 1)
    settings = [(k, t) for k in (1, 7, 60, 200, 500) for t in (0.07, 1.0)]
    found = ranked_knn(queries, Labelled(keys, labels), settings, 9)
    for k, t in settings:
        alone = ranked_knn(queries, Labelled(keys, labels), [(k, t)], 9, chunk=10)
        assert torch.equal(found[k, t], alone[k, t])
        assert found[k, t].shape == (83, 5)
        assert found[k, t][:, 0].tolist() == weighted_knn(queries, Labelled(keys, labels), k, t, 9).tolist()


@pytest.mark.parametrize("k", [3, 20, 200])
def test_the_five_best_are_those_of_a_plain_loop(k: int) -> None:
    keys, labels = cloud(200, 8, 0, noise=3.0)
    queries, _ = cloud(83, 8, 1, noise=3.0)
    _, votes = by_hand(queries, keys, labels, k, 0.5, 8)
    wanted = np.argsort(-votes, axis=1, kind="stable")[:, :5]
    assert ranked_knn(queries, Labelled(keys, labels), [(k, 0.5)], 8)[k, 0.5].tolist() == wanted.tolist()


def test_metrics_of_a_list_say_what_is_else() -> None:
    kind = Knn(Knn.Config(k=[20, 200], temperature=[0.07, 0.2]))
    assert [kind._name(s) for s in kind.config.settings] == [
        "knn", "knn/temperature 0.2", "knn/k 200", "knn/k 200 temperature 0.2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [{"k": []}, {"k": [5, 5]}, {"k": [0]}, {"temperature": []}, {"temperature": [0.1, 0.0]}]
)
def test_lists_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"twice|at least 1|greater than 0"):
        Knn.Config.model_validate(wrong)
